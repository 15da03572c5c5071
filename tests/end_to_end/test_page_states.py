"""The page when a server fails, when there is nothing, very much, or a long name from outside."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from tests.support.browser import CHROMIUM
from tests.support.databases import clone_database, closed_database
from tests.support.page_crowd import LONG_NAME, N_SOURCES, N_TRANSIENTS, Crowd, add_crowd
from tests.support.page_night import stop_clock
from tests.support.page_pictures import (
    VIEWS,
    View,
    assert_as_its_picture,
    assert_same,
    look,
    standing_page,
    take,
)
from tests.support.page_site import Site, open_site

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

SCHEMES = VIEWS[:2]
NARROW = View(390, 844, dark=False)
SILENT_S = 15
# Time goes on from the last heartbeat: one that is on its way would end the silence.
IS_SILENT = f"""(() => {{
  window.elapsedMs = (window.heardMs ?? 0) + 1000 * {SILENT_S};
  return document.querySelector('.outdated')?.innerText.includes(' {SILENT_S} s:');
}})()"""
IS_LIVE = """(() => {
  window.elapsedMs = window.heardMs;
  return document.querySelector('#connection.live') !== null
    && document.querySelector('.outdated') === null
    && document.querySelector('#image-age').innerText === '2 s ago';
})()"""
ROWS = "document.querySelectorAll('[data-transient]')"
CHART = "document.querySelector('.chart canvas')"
CROWDED = {
    "many-transients": ("transients", f"{ROWS}.length === 50"),
    "many-sources": (
        "eta-v",
        f"{CHART}?.ariaLabel.includes('{N_SOURCES + 1:,} sources')",
    ),
    "many-points": (
        "source?id={0.variable}",
        f"{CHART}?.ariaLabel.includes('5000 measurements')",
    ),
    "long-names": ("source?transient={0.named}", "document.querySelector('.fits') !== null"),
    "long-names-transients": (
        "transients?state=retracted",
        f"{ROWS}.length === 1",
    ),
    "long-names-streams": (
        "streams", "document.querySelectorAll('[aria-label=Bands] td').length > 0"
    ),
    "long-names-alerts": (
        "alerts?id=1", "document.querySelectorAll('table.alerts tbody tr').length === 1"
    ),
}  # fmt: skip
EMPTY = {"empty": "", "empty-plane": "eta-v", "empty-sky": "sky"}


@pytest.fixture(scope="module")
def crowd(postgres_url: str) -> Iterator[tuple[Site, Crowd]]:
    asyncio.run(stop_clock(postgres_url))
    ids = asyncio.run(add_crowd(postgres_url))
    settings = {"LIVETRAP_API__STATISTICS_REFRESH_S": "3600"}
    with open_site(postgres_url, settings) as site, standing_page(site.page):
        yield site, ids


def assert_looks(site: Site, name: str) -> None:
    """Compare what is shown with its pictures, light and dark."""
    for view in SCHEMES:
        look(site.page, view)
        assert_as_its_picture(site.page, f"{name}-{view.name}", take(site.page))


@pytest.mark.parametrize("name", CROWDED)
def test_a_page_has_place_for_much_and_for_long_names(
    crowd: tuple[Site, Crowd], name: str
) -> None:
    site, ids = crowd
    path, is_shown = CROWDED[name]
    look(site.page, NARROW)
    page = site.open(path.format(ids))
    page.wait_for(is_shown)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    if name.startswith("long"):
        assert LONG_NAME in page.run("document.body.textContent")
        assert page.run("document.querySelectorAll('img[src=x]').length") == 0
    assert_looks(site, name)
    assert site.errors() == []


def test_all_of_many_transients_are_reached(crowd: tuple[Site, Crowd]) -> None:
    site, _ = crowd
    page = site.open("transients")
    rows = "+document.querySelector('table.transients').getAttribute('aria-rowcount') - 1"
    for n_rows in (50, 100, 150, 200):
        page.wait_for(f"{rows} === {n_rows} && document.querySelector('button.more') !== null")
        page.run("document.querySelector('button.more').click()")
    page.wait_for(f"{rows} === 250")
    assert page.run("document.querySelectorAll('[data-transient]').length") < 150
    page.run("scrollTo(0, document.body.scrollHeight)")
    # The ids of the many are in the order of their times.
    oldest = N_TRANSIENTS + 1 - 250
    page.wait_for(f"document.querySelector('[data-transient=\"{oldest}\"]') !== null")
    # One that the list does not show is whole on its page, and leads to the list.
    page = site.open("source?transient=1")
    assert page.run("document.querySelector('.source-head .badge').innerText") == "new"
    page.wait_for("document.querySelector('.steps').innerText.includes('next')")
    assert site.errors() == []


def test_a_frozen_server_leaves_a_page_out_of_date(crowd: tuple[Site, Crowd]) -> None:
    site, _ = crowd
    look(site.page, SCHEMES[0])
    page = site.open("transients")
    take(page)
    site.signal(signal.SIGSTOP)
    try:
        page.wait_for(IS_SILENT)
        assert_looks(site, "frozen")
    finally:
        site.signal(signal.SIGCONT)
    page.wait_for(IS_LIVE)


def test_a_page_is_the_same_after_its_server_was_killed_and_restarted(
    crowd: tuple[Site, Crowd],
) -> None:
    site, ids = crowd
    look(site.page, SCHEMES[0])
    page = site.open(f"source?id={ids.variable}")
    page.wait_for("document.querySelector('.chart canvas') !== null")
    before = take(page)
    site.signal(signal.SIGKILL)
    page.wait_for("document.querySelector('#connection.unreachable') !== null")
    page.wait_for(IS_SILENT)
    assert_looks(site, "killed")
    site.start()
    look(site.page, SCHEMES[0])
    page.wait_for(IS_LIVE)
    # An answer of the server that starts may be an error: the card is asked for again.
    page.wait_for("document.querySelector('main .notice') === null")
    assert_same(take(page), before)


def test_a_page_that_is_opened_without_postgresql_says_so(crowd: tuple[Site, Crowd]) -> None:
    site, _ = crowd
    look(site.page, SCHEMES[0])
    with closed_database(site.postgres_url):
        site.page.goto(f"{site.address}/transients")
        page = site.page
        words = "document.querySelector('.empty[role=alert]')?.innerText ?? ''"
        page.wait_for(f"({words}).includes('No transients: PostgreSQL is unavailable')")
        page.wait_for("document.querySelector('#connection.failing') !== null")
        page.wait_for(IS_SILENT)
        assert_looks(site, "without-postgresql")
    page.wait_for(
        "document.querySelector('[data-transient]') !== null"
        " || (document.querySelector('.empty[role=alert] button')?.click(), false)"
    )
    page.wait_for(IS_LIVE)


@pytest.fixture(scope="module")
def empty(postgres_server_url: str) -> Iterator[Site]:
    with clone_database(postgres_server_url, prefix="empty") as url:
        asyncio.run(stop_clock(url))
        with open_site(url) as site, standing_page(site.page):
            yield site


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_database_has_a_page_that_helps(empty: Site, name: str) -> None:
    look(empty.page, SCHEMES[0])
    empty.open(EMPTY[name])
    assert_looks(empty, name)
    assert empty.errors() == []
