"""Which of the two is active: keepalived's VRRP between their outer cards, with the pair's addresses.

Both begin as backup with the same priority and never pre-empt: who comes back stays in reserve. A gateway whose
program stands still, or whose cards are down, lets go of the addresses.
"""

import os
import subprocess
import threading

import machine
import wire

ADVERT_S = 0.2
"""Between two advertisements; three that are missing make the other one active (RFC 5798), after 0.8 s. Version 2 of
the protocol knows whole seconds only."""
FRESH_S = 3
"""Age of the heartbeat after which the gateway's program counts as standing still."""
FOLDER = "pair"
ROLES = ("MASTER", "BACKUP", "FAULT", "STOP")


def conf(config, outer, inner):
    """keepalived's configuration."""
    inside = wire.BRIDGE if config.mode == "l2" else inner
    place = os.path.abspath(FOLDER)
    return f"""global_defs {{
    script_user root
    enable_script_security
    vrrp_notify_fifo {place}/fifo
    vrrp_version 3
    vrrp_garp_master_repeat 2
    vrrp_garp_master_delay 1
}}
vrrp_script program {{
    script {place}/fresh
    interval 1
    fall 1
    rise 2
}}
vrrp_instance gateway {{
    state BACKUP
    nopreempt
    interface {outer}
    virtual_router_id {config.router_id}
    priority 100
    advert_int {ADVERT_S}
    unicast_src_ip {config.outer.own}
    unicast_peer {{
        {config.partner}
    }}
    virtual_ipaddress {{
        {config.outer.shared} dev {outer}
        {config.inner.shared} dev {inside}
    }}
    track_interface {{
        {inner}
    }}
    track_script {{
        program
    }}
}}
"""


class Alone:
    """No pair: the one is always the active one."""

    active = True

    def __init__(self):
        self.changed = threading.Event()

    def begin(self):
        """Nothing is to be agreed upon."""

    def keep(self):
        """Nor later."""

    def end(self):
        """Nor let go of."""


class Pair:
    """keepalived, and what it says. ``changed`` is set whenever the role changes."""

    def __init__(self, config, outer, inner):
        self.active = False
        self.changed = threading.Event()
        self._text = conf(config, outer, inner)
        self._daemon = None

    def begin(self):
        """keepalived runs, and is listened to."""
        os.makedirs(FOLDER, exist_ok=True)
        if os.path.exists(f"{FOLDER}/fifo"):
            os.unlink(f"{FOLDER}/fifo")
        os.mkfifo(f"{FOLDER}/fifo", 0o600)
        with open(f"{FOLDER}/fresh", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\ntest -n \"$(find {os.path.abspath(FOLDER)}/beat -newermt '-{FRESH_S} seconds')\"\n")
        os.chmod(f"{FOLDER}/fresh", 0o700)
        with open(f"{FOLDER}/keepalived.conf", "w", encoding="utf-8") as file:
            file.write(self._text)
        threading.Thread(target=self._listen, daemon=True).start()
        self.keep()

    def keep(self):
        """It runs: a keepalived that died is started again."""
        if self._daemon is not None and self._daemon.poll() is None:
            return
        self.active = False
        with open(f"{FOLDER}/log", "ab") as log:
            self._daemon = subprocess.Popen(
                ["keepalived", "-n", "-l", "-P", "-f", f"{FOLDER}/keepalived.conf",
                 "-p", f"{FOLDER}/pid", "-r", f"{FOLDER}/vrrp.pid"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def end(self):
        """The addresses are let go of at once."""
        if self._daemon is not None:
            self._daemon.terminate()

    def _listen(self):
        # Opened for both, so that it does not end when keepalived does.
        with os.fdopen(os.open(f"{FOLDER}/fifo", os.O_RDWR), encoding="ascii") as fifo:
            for line in fifo:
                words = line.split()
                # There are others, such as MASTER_RX_LOWER_PRI: what was heard while the role stays.
                if len(words) > 2 and words[0] == "INSTANCE" and words[2] in ROLES:
                    self.active = words[2] == "MASTER"
                    machine.say(role=words[2])
                    self.changed.set()
