"""The page as people meet it: in a real Chromium, told by the real stream of a real server over fakes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from cloudsentry.clouds.fake import FaultRule
from cloudsentry.drivers.pool.fake import FakeCloud
from web.site import TOKEN, Site, event_text

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def expect(found: Locator) -> Any:
    """Playwright's patient assertions; it is there where the tests marked browser run, and only there."""
    from playwright import sync_api

    return sync_api.expect(found)


def test_nobody_sees_the_page_without_the_viewers_token(tmp_path: Path) -> None:
    site = Site(tmp_path)
    client = TestClient(site.app)
    for path in ("/", "/v1/stream"):
        refused = client.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert client.get(path, auth=("x", "wrong")).status_code == 401
    assert "viewer_token" in TestClient(Site(tmp_path / "other", hook=type(site.hook)()).app).get("/").json()["detail"]
    site.close()


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    site = Site(tmp_path)
    client = TestClient(site.app)
    page = client.get("/", auth=("x", TOKEN))
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text.replace("<!-- ", "")
    for name in (
        "page.css",
        "page.js",
        "rows.js",
        "tables.js",
        "charts.js",
        "uplot/uPlot.iife.min.js",
        "uplot/LICENSE.txt",
    ):
        assert f"/static/{name}" in page.text or name.endswith("txt")
        assert client.get(f"/static/{name}").status_code == 200
    site.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS.split(), chromium_sandbox=False
        )
        yield made
        made.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, event_text())
    made.stage.applied()
    yield made
    made.close()


def opened(browser: Browser, url: str, **options: Any) -> Page:
    """The page, signed in, with the first picture on it; any error of its own fails the test that closes it."""
    page = browser.new_context(http_credentials={"username": "x", "password": TOKEN}, **options).new_page()
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(url) else None)
    page.goto(url, wait_until="commit")
    page.wait_for_selector("section.event .state.good")
    page.faults = faults  # type: ignore[attr-defined]
    return page


@pytest.mark.browser
def test_capacity_that_comes_shows_without_a_reload(browser: Browser, site: Site) -> None:
    with site.served() as url:
        page = opened(browser, url)
        page.evaluate("window.sameDocument = true")
        assert page.inner_text("[data-figure=servers]") == "3 of 3"
        assert page.inner_text("[data-name=match]") == "final begins in"
        assert "needs 8 scaled servers, 2 wanted, 2 active: not yet" in page.inner_text("[data-more=match]")
        assert page.locator(".phases [aria-current=step]").inner_text().split()[0] in ("at", "making")
        page.evaluate(RAMP)
        expect(page.locator("[data-name=match]")).to_have_text("final starts in", timeout=60_000)
        expect(page.locator("[data-figure=match]")).to_contain_text("9 min")
        expect(page.locator(".phases [aria-current=step]")).to_contain_text("crowd comes")
        site.stage.text = event_text(servers=8)
        site.stage.applied()
        expect(page.locator("[data-figure=servers]")).to_have_text("9 of 9", timeout=60_000)
        expect(page.locator("[data-more=match]")).to_contain_text("8 wanted, 8 active", timeout=60_000)
        row = page.get_by_role("row", name="front@xeon1").first.inner_text().split()
        assert row[:4] == ["front@xeon1", "4", "/", "4"]
        demand = page.get_by_role("table", name="Demand against capacity").get_by_role("row", name="front").inner_text()
        assert "8 / 8" in demand
        assert "2,400/s" in demand, "four servers of full weight and four of a fifth of it answer so much"
        hosts = page.get_by_role("table", name="Hypervisors").get_by_role("rowheader").all_inner_texts()
        assert hosts == ["opteron1", "xeon1", "xeon2"]
        assert page.get_by_role("table", name="Weights and shares").get_by_role("row").count() == 3
        assert page.evaluate("window.sameDocument")
        assert page.locator(".plot canvas").count() == 2
        assert page.faults == []  # type: ignore[attr-defined]


@pytest.mark.browser
def test_a_cloud_that_cannot_be_seen_is_trouble_and_not_nothing(browser: Browser, site: Site) -> None:
    with site.served() as url:
        page = opened(browser, url, color_scheme="dark")
        with FakeCloud.named("scale-test").work() as state:
            state.faults.append(FaultRule("observe", 1, "denied", times=100_000))
        page.wait_for_selector(".state.bad")
        assert "Clouds cannot be seen" in page.inner_text(".troubles")
        assert page.inner_text("[data-figure=servers]") == "3 of 3"
        expect(page.locator("#announce")).to_contain_text("cannot be seen", timeout=60_000)
        with FakeCloud.named("scale-test").work() as state:
            state.faults.clear()
        page.wait_for_selector(".state.good")
        assert not page.locator(".troubles").is_visible()
        assert page.faults == []  # type: ignore[attr-defined]


@pytest.mark.browser
def test_it_fits_a_phone_and_a_wall_and_is_walked_by_keyboard(browser: Browser, site: Site) -> None:
    with site.served() as url:
        for width, height in ((360, 740), (3840, 2160)):
            page = opened(browser, url, viewport={"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.context.close()
        page = opened(browser, url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the events"
        for role in ("banner", "main"):
            assert page.get_by_role(role).count() == 1
        page.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("table", name="Servers (3)").get_by_role("row")).to_have_count(4)
        assert page.get_by_role("button").count() == page.get_by_role("textbox").count() == 0


@pytest.mark.browser
def test_a_stopped_hook_is_told_and_what_is_shown_stays(browser: Browser, site: Site) -> None:
    with site.served() as url:
        page = opened(browser, url)
    page.wait_for_selector("#line.lost")
    assert "no news since" in page.inner_text("#line")
    assert page.inner_text("[data-figure=servers]") == "3 of 3"


@pytest.mark.browser
def test_500_servers_and_50_updates_a_second_do_not_lag(browser: Browser, site: Site) -> None:
    with site.served() as url:
        page = opened(browser, url, viewport={"width": 1280, "height": 900})
        page.locator("summary").click()
        page.evaluate(SERVERS)
        expect(page.locator("details tbody tr")).to_have_count(503, timeout=60_000)
        rest, busy = page.evaluate(FRAMES, 0), page.evaluate(FRAMES, 50)
        assert busy["late"] == 0, "rows that still show an old status"
        assert busy["sent"] > 100, "the page took at least half of what came"
        # Only against the same page at rest: how fast this machine is just now is nobody's fault.
        assert busy["frames"] > rest["frames"] / 3, (rest, busy)
        table = page.get_by_role("table", name="Servers (503)")
        assert table.get_by_role("rowheader").count() == 503


RAMP = """() => {
  const now = Date.now() / 1000, row = {...views.get("summer").single.match, ready_by: now - 900, begins: now - 300};
  take([["summer", "match", "", {...row, start: now + 599, finale: null, over: now + 5000, ends: now + 6000}]], false);
}"""
SERVERS = """() => {
  window.server = (n, status) => ["summer", "server", `big ${n}`, {id: `${n}`, name: `server-${n}`, cloud: "c", status,
    unit: "front@xeon1", hypervisor: "xeon1", placed: true, address: "10.0.0.1", weight: 1, member: ""}];
  const rows = [];
  for (let n = 0; n < 500; n++) rows.push(server(n, "BUILD"));
  take(rows, false);
}"""
FRAMES = """rate => new Promise(resolve => {
  let frames = 0, sent = 0, on = true;
  const frame = () => { frames++; if (on) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  const timer = rate && setInterval(() => {
    take([0, 1, 2, 3, 4].map(n => server((sent * 5 + n) % 500, "ACTIVE")), false);
    sent++;
  }, 1000 / rate);
  setTimeout(() => {
    clearInterval(timer); on = false;
    setTimeout(() => requestAnimationFrame(() => {
      const shown = [...document.querySelectorAll("details tbody tr")].filter(
        line => /^server-/.test(line.cells[0].textContent) && line.cells[1].textContent === "ACTIVE").length;
      resolve({frames, sent, late: Math.min(500, sent * 5) - shown});
    }), 1000);
  }, 5000);
})"""
