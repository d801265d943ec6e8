"""locust's file: users that ask their target again as soon as it has answered. Imports nothing of cloudsentry.

CROWD_TARGETS (URLs) and CROWD_PATH are in the environment; users are dealt out over the targets in turn.
"""

import itertools
import os
from typing import Any

from locust import FastHttpUser, constant, task

TARGETS = os.environ.get("CROWD_TARGETS", "").split()
PATH = os.environ.get("CROWD_PATH", "/")
_turn = itertools.cycle(TARGETS or ["http://127.0.0.1"])


class Client(FastHttpUser):
    """One kept connection."""

    host = "http://127.0.0.1"
    wait_time = constant(0)
    connection_timeout = 2.0
    network_timeout = 2.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.host = next(_turn)
        super().__init__(*args, **kwargs)

    @task
    def fetch(self) -> None:
        """One answer, whole."""
        self.client.get(PATH, name="answer")
