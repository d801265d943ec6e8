"""A text that names one image server, and the same text naming another; pure.

A name is taken only where it stands as a whole host, with its port or without one: ``images.example.net`` is not in
``old-images.example.net``, ``images.example.net.test`` or ``images.example.net:8080``. What is put in has been checked
to be a host with perhaps a port, so that no quoting and no template can be left by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cloudsentry.errors import NotSupported
from cloudsentry.records.steering import Target

AUTHORITY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


def authority(target: Target) -> str:
    """A target as a URL names it. Raises `NotSupported` for what must not reach a file."""
    text = target.to[0] if target.to else ""
    if target.balancer and text:
        text = (f"[{text}]" if ":" in text else text) + ("" if target.port == 80 else f":{target.port}")
    if not AUTHORITY.fullmatch(text):
        raise NotSupported(f"{text!r} is no host with perhaps a port")
    return text


def names(text: bytes, host: str) -> bool:
    """Whether a text names the host."""
    return _pattern(host).search(text) is not None


def rewritten(text: bytes, host: str, other: str) -> bytes:
    """The text with ``other`` wherever it names ``host``."""
    return _pattern(host).sub(lambda found: other.encode(), text)


def plain(text: bytes, home: str, others: Iterable[str]) -> bytes:
    """The text as it is without the event: whomever of ``others`` it names, it names ``home``."""
    for other in sorted(set(others) - {home}, key=len, reverse=True):
        text = rewritten(text, other, home)
    return text


def _pattern(host: str) -> re.Pattern[bytes]:
    port = b"" if re.search(r":\d+$", host) and not host.endswith("]") else rb"|:\d"
    after = rb"(?![A-Za-z0-9_\]-]|\.[A-Za-z0-9_]" + port + b")"
    return re.compile(rb"(?<![A-Za-z0-9_.@-])" + re.escape(host.encode()) + after, re.IGNORECASE)
