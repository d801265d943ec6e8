"""Backends of one process: a web server with kept connections on every address given, each answer 25 KB.

``backends.py COUNTS ADDRESS:PORT…``; ``/slow`` takes two seconds for its body. Counts of answers by address are
written to the file COUNTS when it is told to stop (SIGTERM) and at every SIGUSR1.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter

BODY = b"x" * 25_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(BODY)
counts: Counter[str] = Counter()


def write(path: str) -> None:
    with open(f"{path}.draft", "w") as stream:
        json.dump(counts, stream)
    os.replace(f"{path}.draft", path)


def handler(name: str):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                counts[name] += 1
                if head.startswith(b"GET /slow"):
                    writer.write(HEAD)
                    for start in range(0, len(BODY), 1250):
                        writer.write(BODY[start : start + 1250])
                        await writer.drain()
                        await asyncio.sleep(0.1)
                else:
                    writer.write(HEAD + BODY)
        except (OSError, EOFError):
            writer.close()

    return serve


async def main(path: str, addresses: list[str]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, write, path)
    for name in addresses:
        address, _, port = name.rpartition(":")
        await asyncio.start_server(handler(name), address.strip("[]"), int(port), backlog=1024)
    write(path)
    await stop.wait()
    write(path)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
