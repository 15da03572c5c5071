"""Measure how soon each page is painted from a cold cache, and how smoothly the plane is panned.

The server, the database and the browser are real: 100 000 sources, 3000 transients, a source of
10 000 points. The browser has no GPU here: it draws by software.
"""

import argparse
import asyncio

import numpy as np

from benchmarks.bench_associate import postgres
from livetrap.database.migrations import migrate
from livetrap.stack.foreground import stop_requests
from tests.support.browser import Page
from tests.support.page_crowd import Crowd, add_crowd
from tests.support.page_site import Site, open_site

__all__: list[str] = []

_PAGES = ("", "transients", "source?id={0.variable}", "source?transient=3000", "eta-v", "images",
          "image?id=1", "quality", "sky", "streams", "rules", "alerts", "system")  # fmt: skip
# The first frame in which what was asked for is there.
_WATCH = """(() => {
  const look = () => {
    const isThere = document.querySelector('h1') && !document.querySelector('[aria-busy]');
    if (isThere) window.thereMs = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
_TIMES = """(() => {
  const [first] = performance.getEntriesByName('first-contentful-paint');
  return first && window.thereMs ? [first.startTime, window.thereMs] : null;
})()"""
_PAN = """new Promise((done) => {
  const canvas = document.querySelector('.chart canvas');
  const box = canvas.getBoundingClientRect();
  const tell = (kind, shift) => canvas.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, buttons: 1, clientX: box.x + 300 + shift, clientY: box.y + 150}));
  const n = 90;
  let at = 0;
  let began = 0;
  const step = (nowMs) => {
    began ||= nowMs;
    if (at === n) return done(1000 * n / (nowMs - began));
    at += 1;
    tell('pointermove', 4 * (at % 30 < 15 ? at % 30 : 30 - at % 30));
    return requestAnimationFrame(step);
  };
  tell('pointerdown', 0);
  requestAnimationFrame(step);
})"""
_ZOOM_IN = "document.querySelector('[aria-label=\"Zoom in\"]').click()"


def paint_ms(site: Site, path: str) -> tuple[float, float]:
    """Return when a page is painted first, and when its data are there [ms]."""
    page = site.page
    page.goto("about:blank")
    page.call("Network.clearBrowserCache")
    page.goto(f"{site.address}/{path}")
    first, there = page.wait_for(_TIMES)
    return float(first), float(there)


def pans(page: Page) -> list[float]:
    """Return the frames a second while the plane is panned: whole, and where it shows points."""
    page.wait_for("document.querySelector('.chart canvas').width !== 300")
    found = [float(page.run(_PAN))]
    for _ in range(5):
        page.run(_ZOOM_IN)
    page.wait_for("!document.body.innerText.includes('shades: number of sources')")
    return [*found, float(page.run(_PAN))]


def measure(site: Site, crowd: Crowd, *, repeats: int) -> None:
    """Print a row for each page, and the frames of the plane."""
    site.page.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
    paint_ms(site, "")  # the server has answered each kind of question once
    print(f"{'page':24} {'first paint [ms]':>17} {'with its data [ms]':>19}")
    for path in _PAGES:
        address = path.format(crowd)
        paint_ms(site, address)
        first, there = np.median([paint_ms(site, address) for _ in range(repeats)], axis=0)
        print(f"{address or 'now':24} {first:17.0f} {there:19.0f}")
    whole, points = pans(site.open("eta-v"))
    print(f"pan of the plane [frames/s]: {whole:.1f} as a density, {points:.1f} as points")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with postgres() as (url, _):
        migrate(url)
        crowd = asyncio.run(add_crowd(url))
        with open_site(url, {"LIVETRAP_API__STATISTICS_REFRESH_S": "3600"}) as site:
            measure(site, crowd, repeats=options.repeats)


if __name__ == "__main__":
    with stop_requests():
        main()
