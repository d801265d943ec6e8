"""Who may call, how often, and how much: asked before a body is read, let alone understood.

Alertmanager and Aodh cannot sign, so each has a token of its own, of which the configuration holds the SHA-256
(tokens are random: there is nothing to guess that a slow hash would protect). All others sign:
``X-Cloudsentry-Signature: t=SECONDS,v1=HEX`` with HEX = HMAC-SHA256(secret, "SECONDS." + body), or bring a token of
Keystone's in ``X-Auth-Token``.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.to_thread
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloudsentry.conf import HookSettings
from cloudsentry.errors import SentryError, UserError
from cloudsentry.journal.decisions import Decisions
from cloudsentry.web.keystone import Vouched
from cloudsentry.web.refused import Refused

if TYPE_CHECKING:
    from limits import RateLimitItem

SIGNATURE = "X-Cloudsentry-Signature"
HOOKS = "/v1/hooks/"
GUARDED = "/v1/"
WATCHED = ("/", "/v1/stream")
"""What people watch in a browser, which asks them for a password only where it is told to."""
SECRET_LEAST = 32
"""Characters: as long as half of SHA-256's output in hexadecimal, 128 bits."""


def sign(secret: str, body: bytes, when: float) -> str:
    """The header's value for a body sent at ``when`` (seconds since 1970)."""
    seconds = str(int(when))
    return f"t={seconds},v1={_hmac(secret, seconds, body)}"


def _hmac(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def checked(settings: HookSettings) -> RateLimitItem:
    """The rate limit of the settings. Raises `UserError` for one that is none, for short secrets, for no digest."""
    for name in ("alertmanager_token", "aodh_token", "viewer_token"):
        value = getattr(settings, name)
        if value and not re.fullmatch(r"[0-9a-fA-F]{64}", value):
            raise UserError(f"[hook] {name}: expected a SHA-256 in hexadecimal, 64 digits; see `hook --new-token`")
    if settings.generic_secret and len(settings.generic_secret) < SECRET_LEAST:
        raise UserError(f"[hook] generic_secret: expected at least {SECRET_LEAST} characters")
    try:
        return parse(settings.rate)
    except ValueError as error:
        raise UserError(f"[hook] rate: expected something like 120/minute, found {settings.rate!r}") from error


class Gate:
    """An ASGI middleware before everything under /v1/, and before the page."""

    def __init__(
        self, app: ASGIApp, settings: HookSettings, decisions: Decisions, wall: Callable[[], dt.datetime]
    ) -> None:
        self._app, self._settings, self._decisions, self._wall = app, settings, decisions, wall
        self._rate = checked(settings)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._vouched = Vouched(settings, wall)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in with its whole body, or answer why not."""
        watched = scope.get("path") in WATCHED
        if scope["type"] != "http" or not (watched or scope["path"].startswith(GUARDED)):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            self._slow_down(request)
            if request.url.path.startswith(HOOKS):
                body = await self._let_in(request)
            elif watched:
                self._viewer(request)
                body = b""
            else:
                self._reader(request)
                body = b""
        except Refused as no:
            headers = {"Retry-After": str(no.after)} if no.after else {}
            if no.status == 401:
                headers["WWW-Authenticate"] = 'Basic realm="cloudsentry", charset="UTF-8"' if watched else "Bearer"
            await JSONResponse({"detail": no.why}, no.status, headers)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _slow_down(self, request: Request) -> None:
        address = request.client.host if request.client else ""
        if not self._limiter.hit(self._rate, address):
            left = self._limiter.get_window_stats(self._rate, address).reset_time - time.time()
            raise Refused(429, f"more than {self._settings.rate} calls", max(1, round(left)))

    async def _let_in(self, request: Request) -> bytes:
        source = request.url.path.removeprefix(HOOKS).strip("/")
        if source != "generic":
            token = {
                "alertmanager": self._settings.alertmanager_token,
                "aodh": self._settings.aodh_token,
            }.get(source)
            if not _token_fits(request, token):
                raise Refused(401, "not the token of this hook")
            return await self._body(request)
        if token := request.headers.get("X-Auth-Token"):
            await anyio.to_thread.run_sync(self._vouched.check, token)
            return await self._body(request)
        seconds, digest = self._signature(request)
        body = await self._body(request)
        self._signed(seconds, digest, body)
        await self._once(digest)
        return body

    def _reader(self, request: Request) -> None:
        """Decisions are read with any hook's token, or a signature over an empty body."""
        if any(_token_fits(request, token) for token in (self._settings.alertmanager_token, self._settings.aodh_token)):
            return
        seconds, digest = self._signature(request)
        self._signed(seconds, digest, b"")

    def _viewer(self, request: Request) -> None:
        """A page says nothing that its viewers must not know, and everything that nobody else may."""
        if not _token_fits(request, self._settings.viewer_token):
            said = "not the token of viewers" if self._settings.viewer_token else "[hook] viewer_token is not set"
            raise Refused(401, f"{said}: nobody else may watch")

    async def _body(self, request: Request) -> bytes:
        most, body = self._settings.body_most, bytearray()
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise Refused(413, f"the body has more than {most} bytes")
        return bytes(body)

    def _signature(self, request: Request) -> tuple[str, str]:
        found = re.fullmatch(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", request.headers.get(SIGNATURE, ""))
        if found is None or not self._settings.generic_secret:
            raise Refused(401, f"{SIGNATURE}: t=SECONDS,v1=HEX is missing, or nobody may sign")
        if abs(self._wall().timestamp() - int(found[1])) > self._settings.window:
            raise Refused(401, f"the signature's time is more than {self._settings.window:g} s from here")
        return found[1], found[2]

    def _signed(self, seconds: str, digest: str, body: bytes) -> None:
        if not hmac.compare_digest(_hmac(self._settings.generic_secret or "", seconds, body), digest):
            raise Refused(401, "the signature does not fit")

    async def _once(self, digest: str) -> None:
        now = self._wall()
        # A signature may be as far ahead of our clock as behind it, so it is good for twice the window.
        since = now - dt.timedelta(seconds=2 * self._settings.window)
        try:
            used = await anyio.to_thread.run_sync(lambda: self._decisions.used(digest, since, now))
        except SentryError as error:
            raise Refused(503, "the journal cannot be used just now", 5) from error
        if used:
            raise Refused(401, "the signature was used before")


def _token_fits(request: Request, digest: str | None) -> bool:
    """Whether the bearer token, or the password of Basic (of http://cloudsentry:TOKEN@host/), has the digest."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        value = _password(value)
    elif scheme.lower() != "bearer":
        return False
    found = hashlib.sha256(value.strip().encode("utf-8", "replace")).hexdigest()
    return bool(digest) and hmac.compare_digest(found, str(digest).lower())


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, then whatever comes."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
