"""Measure the memory of a page that stays open while alerts come: its heap along time.

The server, the database and the browser are real; alerts are inserted as the alert service does.
With ``--alerts 288000`` the page hears the alerts of a night, eight hours of ten a second, as fast
as it can take them: its own clock of polls runs `_HASTE` times as fast, and the list turns over.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

import asyncpg
import numpy as np

from benchmarks.bench_associate import postgres
from livetrap.database.migrations import migrate
from livetrap.stack.foreground import stop_requests
from tests.support.api_rows import Rows, rows_of
from tests.support.browser import Page
from tests.support.page_events import FAKE_EVENTS, hear
from tests.support.page_site import Site, add_transient, open_site

__all__: list[str] = []

_MEBIBYTE = 1024**2
_SAMPLES = 30
# What is loaded at first, and what the browser compiles and keeps.
_SETTLED = 0.2  # of the run
# Of the page's own timers, in a night in short.
_HASTE = 40
_HASTY_TIMERS = f"""(() => {{
  for (const name of ['setTimeout', 'setInterval']) {{
    const set = window[name];
    window[name] = (work, ms = 0, ...given) => set(work, ms / {_HASTE}, ...given);
  }}
}})()"""
_ALERTS_OF_A_PART = 1000
_NEW_OF_A_PART = 10


def heap_mib(page: Page) -> tuple[float, int]:
    """Return the JavaScript heap after a collection [MiB], and the nodes of the document."""
    page.call("HeapProfiler.collectGarbage")
    found = {
        each["name"]: each["value"] for each in page.call("Performance.getMetrics")["metrics"]
    }
    return found["JSHeapUsedSize"] / _MEBIBYTE, int(found["Nodes"])


async def send_alerts(url: str, *, seconds: float, per_second: float) -> int:
    """Insert transients with their alerts for a time; return how many."""
    async with rows_of(url) as rows:
        image = await rows.image(0)
        began = time.monotonic()
        n = 0
        while (now := time.monotonic() - began) < seconds:
            if n / per_second > now:
                await asyncio.sleep(n / per_second - now)
            await _send(rows, image)
            n += 1
    return n


async def _send(rows: Rows, image: int) -> None:
    source = await rows.source(10.0, 10.0, image=image)
    transient = await rows.transient(source, image=image)
    await rows.alert(transient_id=transient, source_id=source)


def watch(site: Site, url: str, *, minutes: float, per_second: float, path: str) -> None:
    """Print the heap of a page along a run, and its trend."""
    site.write(add_transient)
    page = site.open(path)
    page.call("Performance.enable")
    samples = []
    n_alerts = 0
    print(
        f"{path or 'now'}: {per_second:g} alerts/s, {minutes:g} min, load {os.getloadavg()[0]:.1f}"
    )
    print("   min  alerts  heap MiB  nodes")
    part_s = 60 * minutes / _SAMPLES
    for number in range(_SAMPLES):
        n_alerts += asyncio.run(send_alerts(url, seconds=part_s, per_second=per_second))
        heap, n_nodes = heap_mib(page)
        samples.append(((number + 1) * part_s / 60, heap))
        print(f"{samples[-1][0]:6.1f}  {n_alerts:6d}  {heap:8.2f}  {n_nodes:5d}", flush=True)
    settled = np.array(samples[int(_SETTLED * _SAMPLES) :])
    slope, start = np.polyfit(*settled.T, 1)
    growth = (settled[-1, 1] / settled[0, 1] - 1) * 100
    print(f"trend: {60 * slope:+.2f} MiB/h from {start:.2f} MiB; {growth:+.1f} % after the start")
    print("the page says:", page.run("document.querySelector('#connection').innerText"))


def watch_in_short(site: Site, url: str, *, n_alerts: int, path: str) -> None:
    """Print the heap of a page while it hears many alerts, at each tenth of them."""
    page = site.page
    page.call("Performance.enable")
    for script in (_HASTY_TIMERS, FAKE_EVENTS):
        page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
    print(f"{path or 'now'}: {n_alerts} alerts, load {os.getloadavg()[0]:.1f}")
    print("alerts     min  heap MiB  nodes")
    heaps = []
    # One stream for all of them: its name is in the selectors of the page.
    with asyncio.Runner() as runner, _opened(runner, rows_of(url)) as rows:
        transient = runner.run(_send_some(rows))
        page.goto(f"{site.address}/{path}")
        page.wait_for("window.alerts && document.querySelector('[data-transient]') !== null")
        began = time.monotonic()
        n_parts = n_alerts // _ALERTS_OF_A_PART
        for part in range(n_parts):
            n_heard = part * _ALERTS_OF_A_PART
            hear(page, transient, n_heard, n_heard + _ALERTS_OF_A_PART)
            transient = runner.run(_send_some(rows))
            if (part + 1) % max(1, n_parts // 10):
                continue
            heap, n_nodes = heap_mib(page)
            heaps.append(heap)
            minutes = (time.monotonic() - began) / 60
            n_heard += _ALERTS_OF_A_PART
            print(f"{n_heard:6d}  {minutes:6.1f}  {heap:8.2f}  {n_nodes:5d}", flush=True)
    print(f"growth from a tenth to the end: {(heaps[-1] / heaps[0] - 1) * 100:+.1f} %")


@contextmanager
def _opened(runner: asyncio.Runner, rows: AbstractAsyncContextManager[Rows]) -> Iterator[Rows]:
    """Keep a connection open between the runs of a loop."""
    stack = AsyncExitStack()
    try:
        yield runner.run(stack.enter_async_context(rows))
    finally:
        runner.run(stack.aclose())


async def _send_some(rows: Rows) -> int:
    """Insert transients, of which one is returned: the list turns over."""
    for _ in range(_NEW_OF_A_PART):
        _, transient = await add_transient(rows)
    return transient


async def _reset(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("truncate alert, transient, source cascade")
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=480.0, help="of each page [min]")
    parser.add_argument("--per-second", type=float, default=10.0, help="alerts [1/s]")
    parser.add_argument("--pages", nargs="+", default=["transients"], help="'' is Now")
    parser.add_argument("--alerts", type=int, help="heard as fast as the page can, 1000 or more")
    given = parser.parse_args()
    with postgres() as (url, _):
        migrate(url)
        _measure(given, url)


def _measure(given: argparse.Namespace, url: str) -> None:
    with open_site(url) as site:
        for path in given.pages:
            if given.alerts:
                watch_in_short(site, url, n_alerts=given.alerts, path=path)
                asyncio.run(_reset(url))
                continue
            watch(site, url, minutes=given.minutes, per_second=given.per_second, path=path)
            asyncio.run(_reset(url))


if __name__ == "__main__":
    with stop_requests():
        main()
