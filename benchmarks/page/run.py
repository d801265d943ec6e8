"""Pictures of the live page, and whether it keeps up with 500 servers and 50 changes a second.

    pip install cloudsentry[browser] && cloudsentry lab install browser
    python benchmarks/page/run.py            # writes docs/page/*.png and docs/page/page.json

The servers are fakes, the hook, its stream and Chromium are real. What the machine's other work costs is told by the
same page at rest, and by the CPU seconds of the page's own process.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright  # noqa: E402

from benchmarks.page import scenes  # noqa: E402

OUT = HERE.parents[1] / "docs" / "page"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"
)
LOOKS: dict[str, tuple[str, dict[str, Any]]] = {
    "rest": ("rest", {"viewport": {"width": 1280, "height": 1000}, "color_scheme": "light"}),
    "ramp": ("ramp", {"viewport": {"width": 1280, "height": 1000}, "color_scheme": "dark"}),
    "trouble": ("trouble", {"viewport": {"width": 1280, "height": 1150}, "color_scheme": "light"}),
    "phone": (
        "trouble",
        {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "device_scale_factor": 1.5},
    ),
}
"""Picture: (scene, how the browser is set up)."""


def opened(browser: Browser, url: str, options: dict[str, Any]) -> Page:
    """The page with a picture on it."""
    page = browser.new_context(http_credentials={"username": "x", "password": scenes.TOKEN}, **options).new_page()
    page.set_default_timeout(120_000)
    page.goto(url, wait_until="commit")
    page.wait_for_selector("section.event .state:not(:empty)")
    return page


def kept(png: bytes, path: Path) -> None:
    """The same picture with few colours, as it needs no more: a third of the bytes."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def shoot(browser: Browser, folder: Path) -> None:
    """Every picture."""
    for name in {scene for scene, _ in LOOKS.values()}:
        site = scenes.SCENES[name](folder / name)
        site.watch._hear()
        site.watch.look("summer")
        scenes.earlier(site)
        with site.served() as url:
            for picture, (scene, options) in LOOKS.items():
                if scene == name:
                    page = opened(browser, url, options)
                    page.wait_for_selector(".plot canvas")
                    page.wait_for_timeout(1500)
                    whole = scene == "trouble" and picture != "phone"
                    kept(page.screenshot(full_page=whole), OUT / f"{picture}.png")
                    page.context.close()
        site.close()


def once(page: Page, devtools: CDPSession, rate: int) -> dict[str, Any]:
    """Ten seconds, and the CPU seconds that the page's process took for them, which other work does not change."""

    def cpu() -> float:
        told = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
        return float(told["ProcessTime"])

    before = cpu()
    found: dict[str, Any] = page.evaluate(f"measure({rate})")
    return found | {"cpu_s": round(cpu() - before, 2)}


def measured(browser: Browser, folder: Path) -> dict[str, Any]:
    """Gaps between frames and long tasks in ms, at rest and under way, of the same page."""
    site = scenes.rest(folder / "many")
    with site.served() as url:
        page = opened(browser, url, {"viewport": {"width": 1280, "height": 900}})
        page.locator("summary").click()
        page.evaluate((HERE / "load.js").read_text())
        page.wait_for_selector("details tbody tr:nth-child(500)", state="attached")
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        rounds = [{name: once(page, devtools, rate) for name, rate in (("rest", 0), ("updates", 50))} for _ in range(3)]
        browser_version = browser.version
    site.close()
    return {"servers": 500, "chromium": browser_version, "rounds": rounds}


def main() -> None:
    """Both."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS.split(), timeout=120_000
        )
        if "--measure-only" not in sys.argv:
            shoot(browser, Path(folder))
        if "--shoot-only" not in sys.argv:
            found = measured(browser, Path(folder))
            (OUT / "page.json").write_text(json.dumps(found, indent=2) + "\n")
            print(json.dumps(found, indent=2))
        browser.close()


if __name__ == "__main__":
    main()
