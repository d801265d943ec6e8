"""Every option, once: what the sample, the documentation and `settings` are made from."""

from __future__ import annotations

import itertools
from typing import Any

from oslo_config import cfg

JOURNAL = [
    cfg.StrOpt(
        "connection",
        secret=True,
        sample_default="sqlite:////var/lib/cloudsentry/journal.sqlite",
        help="Database of the journal, as an SQLAlchemy URL: SQLite, PostgreSQL or MariaDB. Where it is not set: "
        "journal.sqlite in the state folder, which is $CLOUDSENTRY_STATE_DIR, or else cloudsentry in "
        "$XDG_STATE_HOME, or else .local/state/cloudsentry in the home folder. Write a dollar sign of a password "
        "twice.",
    ),
]

OWNERSHIP = [
    cfg.StrOpt(
        "backend_url",
        secret=True,
        sample_default="file:///var/lib/cloudsentry/locks",
        help="Where it is agreed who works on an event, as a tooz URL: file, etcd3+http, redis, zookeeper and "
        "others. Where it is not set: the folder locks in the state folder, which is enough for one host.",
    ),
    cfg.FloatOpt(
        "lease",
        default=30.0,
        min=1.0,
        max=3600.0,
        help="Seconds after which a backend on the network forgets a holder that died. A file forgets at once.",
    ),
]

EXECUTOR = [
    cfg.FloatOpt(
        "poll_least", default=1.0, min=0.05, max=300.0, help="Seconds between two looks at a cloud, at the least."
    ),
    cfg.FloatOpt(
        "poll_share",
        default=0.25,
        min=0.01,
        max=1.0,
        help="At most this share of the waiting is spent looking: a cloud that answers slowly is asked less often.",
    ),
    cfg.FloatOpt(
        "boot_timeout", default=600.0, min=1.0, max=86400.0, help="Seconds a group of servers may take to be ACTIVE."
    ),
    cfg.FloatOpt(
        "balancer_timeout",
        default=300.0,
        min=1.0,
        max=86400.0,
        help="Seconds a balancer may take to be ACTIVE after a change.",
    ),
    cfg.IntOpt("attempts", default=6, min=1, max=100, help="How often a call that may be retried is made in all."),
    cfg.IntOpt(
        "budget",
        default=100,
        min=0,
        max=100000,
        help="How many calls a run may make again in all, over all its steps; a plan of more than 20 steps has five "
        "per step. A service that says that it is busy (409, 429) costs none.",
    ),
    cfg.FloatOpt(
        "retry_first",
        default=0.5,
        min=0.01,
        max=300.0,
        help="Seconds before the second attempt, at the most; doubled for each further one.",
    ),
    cfg.FloatOpt("retry_most", default=20.0, min=0.01, max=3600.0, help="Seconds between two attempts, at the most."),
    cfg.FloatOpt(
        "settle",
        default=15.0,
        min=0.0,
        max=3600.0,
        help="Seconds to wait for the effects of a call that a killed process may still have made, before it is "
        "taken for not made.",
    ),
    cfg.IntOpt("threads", default=8, min=1, max=64, help="How many calls are under way at once."),
]

HOOK = [
    cfg.StrOpt(
        "alertmanager_token",
        secret=True,
        help="SHA-256 in hexadecimal of the token by which Alertmanager may call; without it nobody may. "
        "`cloudsentry hook --new-token` makes both.",
    ),
    cfg.StrOpt(
        "aodh_token",
        secret=True,
        help="SHA-256 in hexadecimal of the token by which Aodh may call; without it nobody may.",
    ),
    cfg.StrOpt(
        "generic_secret",
        secret=True,
        help="Secret with which callers of /v1/hooks/generic sign, of at least 32 characters; without it nobody may.",
    ),
    cfg.StrOpt(
        "viewer_token",
        secret=True,
        help="SHA-256 in hexadecimal of the token by which people may watch the live page, given as the password when "
        "the browser asks; without it nobody may.",
    ),
    cfg.StrOpt(
        "keystone_cloud",
        help="Cloud of clouds.yaml whose Keystone vouches for callers of /v1/hooks/generic: a token in X-Auth-Token, "
        "of the project of that cloud's account here, lets in as a signature does; without it nobody's does.",
    ),
    cfg.StrOpt("keystone_role", default="member", help="The role that such a token must hold."),
    cfg.FloatOpt(
        "window",
        default=300.0,
        min=1.0,
        max=3600.0,
        help="Seconds by which a signature's time may differ from the clock; a signature is good once within them.",
    ),
    cfg.FloatOpt(
        "duplicates",
        default=300.0,
        min=0.0,
        max=86400.0,
        help="Seconds within which the same call of Aodh, or the same unnamed generic call, is taken for the same "
        "alarm. Alertmanager's alerts have a start of their own, and are the same for a week.",
    ),
    cfg.StrOpt("rate", default="120/minute", help="Calls from one address, in the notation of the library limits."),
    cfg.IntOpt("body_most", default=65536, min=1024, max=1048576, help="Bytes of a call's body, at the most."),
    cfg.FloatOpt(
        "expiry",
        default=600.0,
        min=1.0,
        max=86400.0,
        help="Seconds after which an accepted call is given up that could not be carried out, say because another "
        "process works on the event.",
    ),
]

GROUPS: dict[str, list[Any]] = {"journal": JOURNAL, "ownership": OWNERSHIP, "executor": EXECUTOR, "hook": HOOK}


def list_opts() -> list[tuple[str, list[Any]]]:
    """For oslo-config-generator: (group, options)."""
    return [(group, list(itertools.chain(options))) for group, options in GROUPS.items()]
