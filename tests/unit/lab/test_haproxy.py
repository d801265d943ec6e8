"""What of a new configuration goes through HAProxy's socket, and what needs a reload."""

import pytest

from cloudsentry.lab.inside import haproxy, heartbeat

CHECK = " check inter 2s fall 2 rise 2"


def text(*servers, timeout=50000, check=CHECK):
    lines = ["global", "    maxconn 4000", "frontend l1", "    default_backend p1:l1", f"    timeout client {timeout}"]
    lines += ["backend p1:l1", "    balance roundrobin"]
    lines += [f"    server {name} {address}:80 weight {weight}{check}" for name, address, weight in servers]
    return "\n".join(lines) + "\n"


A, B = ("a", "10.1.0.11", 10), ("b", "10.1.0.12", 2)


def test_the_same_configuration_needs_no_order():
    assert haproxy.changes(text(A, B), text(A, B)) == []


def test_a_weight_is_set_at_the_socket():
    assert haproxy.changes(text(A, B), text(A, ("b", "10.1.0.12", 0))) == ["set server p1:l1/b weight 0"]


def test_a_new_server_is_added_checked_and_enabled():
    assert haproxy.changes(text(A), text(A, B)) == [
        f"add server p1:l1/b 10.1.0.12:80 weight 2{CHECK}",
        "enable health p1:l1/b",
        "enable server p1:l1/b",
    ]


def test_a_server_without_monitor_is_added_without_checks():
    orders = haproxy.changes(text(A, check=""), text(A, B, check=""))
    assert orders == ["add server p1:l1/b 10.1.0.12:80 weight 2", "enable server p1:l1/b"]


def test_a_removed_server_stops_taking_requests_before_it_goes():
    assert haproxy.changes(text(A, B), text(A)) == ["set server p1:l1/b state maint", "del server p1:l1/b"]


def test_a_disabled_server_is_put_into_maintenance_and_back():
    on, off = text(A), text(A, check=f"{CHECK} disabled")
    assert haproxy.changes(on, off) == ["set server p1:l1/a state maint"]
    assert haproxy.changes(off, on) == ["set server p1:l1/a state ready"]


@pytest.mark.parametrize(
    "new",
    [
        text(A, B, timeout=1000),
        text(("a", "10.1.0.99", 10), B),
        text(A, B, check=" check inter 9s fall 2 rise 2"),
        text(A, B, ("c", "10.1.0.13", 1), check=f"{CHECK} cookie c"),
    ],
    ids=["timeout", "address", "monitor", "persistence"],
)
def test_any_other_change_is_a_reload(new):
    assert haproxy.changes(text(A, B), new) is None


def row(pxname, svname, status="UP", weight="1", **counters):
    empty = {"bin": "0", "bout": "0", "stot": "0", "ereq": "0", "scur": "0"}
    return {"pxname": pxname, "svname": svname, "status": status, "weight": weight} | empty | counters


def test_the_heartbeat_counts_what_came_since_the_last():
    first = [row("l1", "FRONTEND", "OPEN", "", bin="100", bout="900", stot="3", ereq="1", scur="2")]
    told, kept = heartbeat.message("amphora", first, {})
    assert told["listeners"]["l1"] == {
        "status": "OPEN",
        "stats": {"rx": 100, "tx": 900, "totconns": 3, "ereq": 1, "conns": 2},
    }
    again = [row("l1", "FRONTEND", "OPEN", "", bin="150", bout="900", stot="4", ereq="1")]
    told, _ = heartbeat.message("amphora", again, kept)
    assert told["listeners"]["l1"]["stats"] == {"rx": 50, "tx": 0, "totconns": 1, "ereq": 0, "conns": 0}


def test_a_haproxy_that_began_anew_is_counted_from_zero():
    before = {"l1": {"bin": 100, "bout": 900, "stot": 30, "ereq": 0}}
    told, _ = heartbeat.message("amphora", [row("l1", "FRONTEND", "OPEN", "", bin="10", stot="40")], before)
    assert told["listeners"]["l1"]["stats"]["rx"] == 10
    assert told["listeners"]["l1"]["stats"]["totconns"] == 40


@pytest.mark.parametrize(
    ("status", "weight", "told"),
    [
        ("UP", "10", "UP"),
        ("UP 1/2", "10", "UP 1/2"),
        ("UP", "0", "DRAIN"),
        ("DOWN", "0", "DOWN"),
        ("no check", "10", "no check"),
        ("MAINT (via p/x)", "10", "MAINT"),
    ],
)
def test_members_are_told_in_octavias_words(status, weight, told):
    rows = [row("p1:l1", "m1", status, weight), row("p1:l1", "BACKEND", "UP", "10")]
    message, _ = heartbeat.message("amphora", rows, {})
    assert message["pools"] == {"p1:l1": {"status": "UP", "members": {"m1": told}}}
