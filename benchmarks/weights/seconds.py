"""A steady crowd that tells who answered, second by second: ADDRESS PORT PATH SECONDS RATE. Prints JSON.

Sixteen kept connections; each second is {server: [answers, mean ms]}, and errors are counted as the server "".
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict

CONNECTIONS = 16


async def client(address: str, port: int, path: str, until: float, gap: float, tell) -> None:
    """One kept connection, which asks in its own rhythm."""
    reader = writer = None
    due = time.monotonic()
    while (now := time.monotonic()) < until:
        await asyncio.sleep(max(0.0, due - now))
        due = max(due + gap, time.monotonic() - 1)
        asked = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(address, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode().lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            await asyncio.wait_for(reader.readexactly(int(fields["content-length"])), 10)
            tell(fields.get("x-served-by", "?") if " 200 " in head else "", asked)
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
            tell("", asked)
            reader = writer = None


async def main(address: str, port: int, path: str, seconds: float, rate: float) -> list[dict[str, list[float]]]:
    """All clients, to their end."""
    began, found = time.monotonic(), defaultdict(lambda: defaultdict(lambda: [0, 0.0]))

    def tell(server: str, asked: float) -> None:
        slot = found[int(time.monotonic() - began)][server]
        slot[0] += 1
        slot[1] += (time.monotonic() - asked) * 1000

    gap = CONNECTIONS / rate
    crowd = [client(address, port, path, began + seconds, gap, tell) for _ in range(CONNECTIONS)]
    await asyncio.gather(*crowd)
    return [
        {server: [count, round(total / count, 2)] for server, (count, total) in sorted(found[second].items())}
        for second in range(int(seconds))
    ]


if __name__ == "__main__":
    where, door, what, span, many = sys.argv[1:]
    print(json.dumps(asyncio.run(main(where, int(door), what, float(span), float(many)))))
