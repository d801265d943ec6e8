"""The live page: one document, its script and its styles, all from this package; and the stream that feeds it."""

from __future__ import annotations

import asyncio
from importlib import resources

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.staticfiles import StaticFiles

from cloudsentry.web.stream import Watch, told_to

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: itself."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
STATIC = resources.files("cloudsentry.web") / "static"

PAGE = APIRouter(include_in_schema=False)  # for people; a stream without an end is nothing to be called by description


@PAGE.get("/")
def page() -> Response:
    """The page itself holds no data."""
    return HTMLResponse((STATIC / "page.html").read_text("utf-8"), headers=HEADERS)


@PAGE.get("/v1/stream")
async def stream(request: Request) -> Response:
    """All rows, then those that change."""
    watch: Watch = request.app.state.watch
    viewer = watch.join(asyncio.get_running_loop())
    if viewer is None:
        return JSONResponse({"detail": "too many viewers"}, 503, {"Retry-After": "30"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(told_to(watch, viewer), media_type="text/event-stream", headers=headers)


def serve_page(app: FastAPI, watch: Watch) -> None:
    """Put the page, its files and its stream into an application."""
    app.state.watch = watch
    app.include_router(PAGE)
    app.mount("/static", StaticFiles(packages=[("cloudsentry.web", "static")]), name="static")
