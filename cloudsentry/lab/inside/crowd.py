"""crowd.py: so many GET requests and not one more, over connections that are kept. Run within a site's namespace.

Arguments: ADDRESS PORT PATH REQUESTS CONNECTIONS RATE (requests per second, 0: as fast as answers come). Prints
{"answers": {name: count}, "errors": n, "seconds": s, "latency_ms": [one each, sorted]}; a name is who answered by
X-Served-By, else the first line of the body. A request that fails is an error and is not sent again. Only the standard
library.
"""

import collections
import http.client
import json
import sys
import threading
import time

TIMEOUT_S = 30


class Crowd:
    """`connections` threads with one connection each share out `requests` requests."""

    def __init__(self, address: str, port: int, path: str, requests: int, rate: float):
        self.address, self.port, self.path, self.rate = address, port, path, rate
        self.left, self.sent = requests, 0
        self.answers: collections.Counter[str] = collections.Counter()
        self.errors = 0
        self.latency_ms: list[float] = []
        self.lock = threading.Lock()
        self.began = time.monotonic()

    def turn(self) -> float | None:
        """When the next request is due, in seconds since the beginning; None when all are given out."""
        with self.lock:
            if self.sent == self.left:
                return None
            self.sent += 1
            return (self.sent - 1) / self.rate if self.rate else 0.0

    def client(self) -> None:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=TIMEOUT_S)
        while (due := self.turn()) is not None:
            time.sleep(max(0.0, self.began + due - time.monotonic()))
            start = time.monotonic()
            try:
                name = self.ask(connection)
            except (OSError, http.client.HTTPException):
                connection.close()
                name = None
            took = (time.monotonic() - start) * 1000
            with self.lock:
                if name is None:
                    self.errors += 1
                else:
                    self.answers[name] += 1
                    self.latency_ms.append(took)
        connection.close()

    def ask(self, connection: http.client.HTTPConnection) -> str | None:
        """Who answered; None where the answer was no success."""
        connection.request("GET", self.path)
        answer = connection.getresponse()
        body = answer.read()
        first = body[:80].split(b"\n")[0].decode(errors="replace")
        return answer.getheader("X-Served-By", first) if answer.status == 200 else None

    def run(self, connections: int) -> dict[str, object]:
        threads = [threading.Thread(target=self.client) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {
            "answers": dict(self.answers),
            "errors": self.errors,
            "seconds": time.monotonic() - self.began,
            "latency_ms": sorted(round(value, 3) for value in self.latency_ms),
        }


def main() -> None:
    address, port, path, requests, connections, rate = sys.argv[1:]
    crowd = Crowd(address, int(port), path, int(requests), float(rate))
    json.dump(crowd.run(int(connections)), sys.stdout)


if __name__ == "__main__":
    main()
