"""The prober's program: one small server of an end that has no other, which tries the far end's all the while."""

import json
import sys
import time

import machine
import probe

BETWEEN_S = 5.0
SAY_S = 15.0
"""Between two lines of the console while nothing changes."""


def seen(config, owners):
    """One look at the far end: what a line of the console tells."""
    loss, rtt = probe.ping(config["far"], config["near"])
    facts = {"at": int(time.time()), "role": "active", "name": "probe", "twice": owners.twice(), "mtu": config["mtu"]}
    facts |= {"up": rtt is not None, "loss": loss, "rtt": rtt, "whole": None}
    if rtt is not None:
        size = config["mtu"] - probe.HEADERS
        lost, _ = probe.ping(config["far"], config["near"], count=2, size=size, whole=True)
        facts["whole"] = lost < 100.0
    return facts


def main():
    """Until the end of the process."""
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    card = machine.device(config["mac"])
    machine.run("ip", "link", "set", card, "up")
    machine.run("ip", "addr", "replace", f"{config['near']}/{config['prefix']}", "dev", card)
    owners = probe.Owners(card, config["mac"], config["near"])
    owners.begin()
    said, what = 0.0, None
    while True:
        owners.ask()
        facts = seen(config, owners)
        now = (facts["up"], facts["whole"], facts["twice"])
        if now != what or time.monotonic() - said > SAY_S:
            machine.say(**facts)
            said, what = time.monotonic(), now
        time.sleep(BETWEEN_S)


if __name__ == "__main__":
    main()
