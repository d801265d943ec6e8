"""What clients of a guest notice, from a namespace of their own on its network."""

from __future__ import annotations

import signal
import subprocess
import threading
from dataclasses import dataclass

from benchmarks.migration.sites import CLIENT, Sites, until


def asked(sites: Sites, address: str, path: str, seconds: int = 60) -> str:
    """What the guest's web server answers; "" where it does not."""
    command = sites.inside(CLIENT, "curl", "-sf", "-m", str(seconds), f"http://{address}{path}")
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 5).stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the guest's writer found in its memory: pages, how many of them are not what they must be, versions."""

    pages: int
    wrong: int
    versions: int


def verified(sites: Sites, address: str) -> Verdict:
    """Every word of the writer's memory compared, in the guest."""
    words = asked(sites, address, "/cgi-bin/verify", 240).split()
    if len(words) != 3:
        raise SystemExit(f"{address} does not say what its memory holds")
    return Verdict(pages=int(words[0]), wrong=int(words[1]), versions=int(words[2]))


class Pinging:
    """A hundred pings a second; the gap is the longest time between two answers, ``answered`` the clock at its end."""

    def __init__(self, sites: Sites, address: str) -> None:
        command = sites.inside(CLIENT, "ping", "-D", "-i", "0.01", "-n", address)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._times: list[float] = []
        self.answered: float | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: self._times, f"an answer of {address}")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if "bytes from" in line:
                self._times.append(float(line[1 : line.index("]")]))

    def gap(self) -> float:
        """End it: the seconds of the longest silence."""
        until(self._answers_now, "the guest to answer again")
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        self._reader.join()
        silences = zip(self._times, self._times[1:], strict=False)
        gap, self.answered = max(((after - before, after) for before, after in silences), default=(0.0, None))
        return gap

    def _answers_now(self) -> bool:
        seen = len(self._times)
        threading.Event().wait(0.3)
        return len(self._times) > seen + 5


class Session:
    """One TCP connection on which the guest says a number ten times a second."""

    def __init__(self, sites: Sites, address: str) -> None:
        command = sites.inside(CLIENT, "curl", "-sfN", f"http://{address}/cgi-bin/talk")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._numbers: list[int] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: len(self._numbers) > 3, f"a session with {address}")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._numbers.append(int(line))

    def survived(self) -> bool:
        """End it: whether the connection still carries, and nothing that was said got lost or came twice."""
        seen = len(self._numbers)
        pause = threading.Event()
        for _ in range(600):
            if len(self._numbers) > seen + 3:
                break
            pause.wait(0.1)
        alive = self._process.poll() is None and len(self._numbers) > seen + 3
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        return alive and self._numbers == list(range(len(self._numbers)))
