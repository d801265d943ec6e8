"""The routes. Every answer says what was decided and why."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from importlib import metadata
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cloudsentry.errors import SentryError, UserError
from cloudsentry.journal.tallies import Tallies
from cloudsentry.scaling.scale import Call, Scaler
from cloudsentry.web import alarms
from cloudsentry.web.bodies import Alertmanager, Answer, Aodh, Generic, Health, Misunderstood, Refusal, Said
from cloudsentry.web.gate import SIGNATURE, Gate
from cloudsentry.web.metrics import Counted
from cloudsentry.web.page import serve_page
from cloudsentry.web.stream import Watch
from cloudsentry.web.worker import Worker

BEARER = Security(HTTPBearer(auto_error=False, description="The hook's token; also taken as Basic's password."))
SIGNED = Security(APIKeyHeader(name=SIGNATURE, auto_error=False, description="t=SECONDS,v1=HEX"))
"""For the description only: the gate has asked before a route is reached."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": why}
    for status, why in {
        401: "Not the token, or not the signature.",
        413: "The body is too large.",
        429: "Too many calls; Retry-After says when.",
        503: "The journal cannot be used just now; deliver again.",
    }.items()
}
DECIDED: dict[int | str, dict[str, Any]] = {
    200: {"model": Answer, "description": "Nothing needs to be done, or it was done before."},
    202: {"model": Answer, "description": "Accepted: the decisions' addresses tell how they go on."},
    400: {"model": Refusal, "description": "The body is no JSON."},
    422: {"model": Misunderstood | Answer, "description": "Not understood: the body, or every call in it."},
    **REFUSALS,
}
NUMBER_MOST = 2**31 - 1
"""The largest number that the journal gives."""


def make_app(
    scaler: Scaler, worker: Worker, *, watch: Watch | None = None, wall: Callable[[], dt.datetime] | None = None
) -> FastAPI:
    """The application over a hall; ``wall`` tells the time. Raises `UserError` where its settings are wrong.

    ``watch`` takes the pictures for the page and for the metrics of servers; without it there are neither.
    """
    tallies = Tallies(scaler.settings.journal.connection)

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        worker.resume()
        yield
        worker.stop()
        tallies.close()

    app = FastAPI(
        title="cloudsentry hook",
        description="Alarms become capacity, within an event's bounds.",
        version=metadata.version("cloudsentry"),
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.scaler, app.state.worker = scaler, worker
    app.state.counted = Counted(watch, tallies)
    app.include_router(ROUTES)
    if watch is not None:
        serve_page(app, watch)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(SentryError, _failed)
    app.add_middleware(
        Gate,
        settings=scaler.settings.hook,
        decisions=scaler.decisions,
        wall=wall or (lambda: dt.datetime.now(dt.UTC)),
    )
    return app


ROUTES = APIRouter()


@ROUTES.post("/v1/hooks/alertmanager", status_code=202, responses=DECIDED, dependencies=[BEARER])
def alertmanager(request: Request, response: Response, body: Alertmanager) -> Answer:
    """Prometheus Alertmanager's webhook.

    The labels or annotations cloudsentry_event, cloudsentry_pool and cloudsentry_scale of an alert say what is asked
    for. Equal alerts (fingerprint and start) are acted on once.
    """
    return _answer(request, response, "alertmanager", alarms.of_alertmanager(body))


@ROUTES.post("/v1/hooks/aodh", status_code=202, responses=DECIDED, dependencies=[BEARER])
def aodh(
    request: Request,
    response: Response,
    body: Aodh,
    event: Annotated[str, Query(max_length=64)],
    pool: Annotated[str, Query(max_length=64)],
    scale: Annotated[str, Query(max_length=16)],
) -> Answer:
    """An Aodh alarm's action; the action's address says what is asked for (a plus sign is written %2B)."""
    again = request.app.state.scaler.settings.hook.duplicates
    return _answer(request, response, "aodh", (alarms.of_aodh(body, event, pool, scale, again),))


@ROUTES.post("/v1/hooks/generic", status_code=202, responses=DECIDED, dependencies=[SIGNED])
def generic(request: Request, response: Response, body: Generic) -> Answer:
    """Anybody's call, signed with the shared secret."""
    again = request.app.state.scaler.settings.hook.duplicates
    return _answer(request, response, "generic", (alarms.of_generic(body, again),))


@ROUTES.get(
    "/v1/decisions/{number}",
    responses={
        **REFUSALS,
        404: {"model": Refusal, "description": "No such decision."},
        422: {"model": Misunderstood, "description": "No number."},
    },
    dependencies=[BEARER, SIGNED],
)
def decision(request: Request, number: Annotated[int, Path(ge=1, le=NUMBER_MOST)]) -> Said:
    """How a decision goes on."""
    return alarms.said(request.app.state.scaler.decisions.get(number))


@ROUTES.get("/healthz")
def healthz() -> Health:
    """That the process answers."""
    return Health()


@ROUTES.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
def metrics(request: Request) -> Response:
    """Counters and gauges for Prometheus."""
    return Response(generate_latest(request.app.state.counted.registry), media_type=CONTENT_TYPE_LATEST)


def _answer(request: Request, response: Response, source: str, calls: tuple[Call | alarms.Nothing, ...]) -> Answer:
    state = request.app.state
    answers = [alarms.answered(state.scaler, call) for call in calls]
    for said in answers:
        state.counted.add(source, said)
        if said.state == "queued":
            state.worker.nudge(said.event)
    states = {said.state for said in answers}
    response.status_code = 202 if states & {"queued", "running"} else 422 if states == {"refused"} else 200
    return Answer(decisions=answers)


async def _not_understood(request: Request, error: Exception) -> Response:
    """The faults without the input: it is the caller's, may hold anything, and need not come back."""
    assert isinstance(error, RequestValidationError)
    faults = [{"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]} for fault in error.errors()]
    return JSONResponse({"detail": faults}, 422)


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, UserError):
        return JSONResponse({"detail": str(error)}, 404)
    return JSONResponse({"detail": "the journal cannot be used just now"}, 503, {"Retry-After": "5"})


def new_token() -> tuple[str, str]:
    """A token with 256 random bits, and its SHA-256 for the configuration."""
    token = secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()
