"""A signal for cloudsentry: how many people wait in a ticket shop's queue, as load on its servers.

The shop answers ``GET /queue.json`` with something like ``{"waiting": 1200, "per_person": 0.5}``: each of those who
wait asks for ``per_person`` requests a second.
"""

from __future__ import annotations

import requests

from cloudsentry.drivers.signal.base import SignalDriver, measured
from cloudsentry.records.scaling import Missing, Reading


class TicketShopSignal(SignalDriver):
    """``query`` names the key of the answer that counts people: ``waiting`` where it is empty."""

    def read(self) -> Reading | Missing:
        """Requests per second, or why they are not known: never a raised error, and never zero for no answer."""
        source = f"ticket shop {self.options.url}"
        try:
            answer = requests.get(f"{self.options.url}/queue.json", timeout=self.options.timeout)
            answer.raise_for_status()
            told = answer.json()
            load = told[self.options.query or "waiting"] * told["per_person"]
        except requests.RequestException as error:
            return Missing(why=f"no answer: {type(error).__name__}", source=source)
        except (KeyError, TypeError, ValueError) as error:
            return Missing(why=f"not a queue's answer: {type(error).__name__} {error}", source=source)
        return measured(load, self.options.unit, source)
