"""The message with which an amphora tells Octavia of itself, made from the rows of HAProxy's statistics.

Octavia's version 3: the counters of a listener are what has come since the last message. Only the standard library.
"""

import time

# HAProxy's column: Octavia's word.
COUNTERS = {"bin": "rx", "bout": "tx", "stot": "totconns", "ereq": "ereq"}


def message(amphora, rows, before):
    """The message, and the counters to give as `before` next time."""
    told = {"id": amphora, "ver": 3, "recv_time": time.time(), "listeners": {}, "pools": {}}
    after = {}
    for row in rows:
        name, kind = row["pxname"], row["svname"]
        if kind == "FRONTEND":
            after[name] = {counter: int(row[counter] or 0) for counter in COUNTERS}
            fresh = since(before.get(name, {}), after[name])
            stats = {word: fresh[counter] for counter, word in COUNTERS.items()} | {"conns": int(row["scur"] or 0)}
            told["listeners"][name] = {"status": row["status"], "stats": stats}
        else:
            pool = told["pools"].setdefault(name, {"members": {}})
            if kind == "BACKEND":
                pool["status"] = row["status"]
            else:
                pool["members"][kind] = member_status(row)
    return told, after


def since(before, after):
    """What came since: all of it when HAProxy has begun anew."""
    anew = any(after[name] < before.get(name, 0) for name in after)
    return {name: after[name] - (0 if anew else before.get(name, 0)) for name in after}


def member_status(row):
    """HAProxy's word; a server that is up at weight 0 is draining, which HAProxy itself does not say."""
    status = row["status"]
    if row["weight"] == "0" and status.startswith("UP"):
        return "DRAIN"
    return "MAINT" if status.startswith("MAINT") else status
