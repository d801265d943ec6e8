"""Clients that keep their connections: N of them ask at a steady rate until told to stop, and count what fails.

Run within a namespace: ``clients.py URL CLIENTS RATE``; stops when its input ends, and prints one JSON object.
"""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

BODY = 25_000


class Client:
    def __init__(self, url: str, counts: dict[str, int]) -> None:
        self.url, self.counts, self.streams = urlsplit(url), counts, None

    async def ask(self) -> None:
        try:
            await asyncio.wait_for(self._ask(), 20)
            self.counts["good"] += 1
        except (OSError, EOFError, ValueError) as error:
            self.counts["failed"] += 1
            self.counts[f"{type(error).__name__}: {error}"] = self.counts.get(f"{type(error).__name__}: {error}", 0) + 1
            self.streams = None

    async def _ask(self) -> None:
        if self.streams is None:
            self.streams = await asyncio.open_connection(self.url.hostname, self.url.port)
            self.counts["connections"] += 1
        reader, writer = self.streams
        writer.write(f"GET {self.url.path} HTTP/1.1\r\nHost: {self.url.netloc}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if " 200 " not in head.split("\r\n")[0]:
            raise ValueError(head.split("\r\n")[0])
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = await reader.readexactly(length)
        if length != BODY:
            raise ValueError(f"{len(body)} bytes")
        if "connection: close" in head:
            self.streams = None


async def steady(client: Client, period: float, begin: float, stop: asyncio.Event) -> None:
    due = begin
    while not stop.is_set():
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await client.ask()
        due = max(due + period, time.monotonic() - period)


async def main(url: str, clients: int, rate: float) -> None:
    counts = {"good": 0, "failed": 0, "connections": 0}
    stop, begin, period = asyncio.Event(), time.monotonic(), clients / rate
    tasks = [
        asyncio.create_task(steady(Client(url, counts), period, begin + number / rate, stop))
        for number in range(clients)
    ]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    stop.set()
    await asyncio.gather(*tasks)
    print(json.dumps(counts))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
