"""Each page looks as its picture in docs/images/pages, light and dark, wide and narrow."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from runtime.settings import KafkaSettings
from tests.support.api_rows import rows_of
from tests.support.browser import CHROMIUM
from tests.support.page_errors import badly_rounded
from tests.support.page_night import add_night, stop_clock
from tests.support.page_pictures import (
    PAGES,
    VIEWS,
    View,
    assert_as_its_picture,
    look,
    standing_page,
    take,
)
from tests.support.page_site import Site, open_site

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

# Sum of what part of the window moved, times how far: "good" below 0.1 (web.dev/cls).
SHIFTS = """new Promise((done) => {
  const found = [];
  new PerformanceObserver((list) => found.push(...list.getEntries()))
    .observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(found.map((each) => [each.value, each.sources.slice(0, 2).map(
    (source) => (source.node?.className ?? '') + ' ' + (source.node?.ariaLabel ?? ''))])));
})"""
MOST_SHIFTED = 0.1


@pytest.fixture(scope="module")
def night(postgres_url: str, kafka_bootstrap: str) -> Iterator[tuple[Site, int]]:
    """A site of the night, and the image in which the new source was seen first."""
    kafka = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )

    async def write() -> int:
        await stop_clock(postgres_url)
        async with rows_of(postgres_url) as rows:
            await add_night(rows, kafka)
            image = await rows.connection.fetchval("select image_key from transient where id = 2")
            return int(image)

    image = asyncio.run(write())
    settings = {
        "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "LIVETRAP_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
        "LIVETRAP_API__STATISTICS_REFRESH_S": "3600",
        "LIVETRAP_EXTRACT__RMS_MAX_JY_BEAM": "0.005",
    }
    with open_site(postgres_url, settings) as site, standing_page(site.page):
        yield site, image


@pytest.mark.parametrize("view", VIEWS, ids=[view.name for view in VIEWS])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_comes_without_jumps_and_looks_as_its_picture(
    night: tuple[Site, int], name: str, view: View
) -> None:
    site, image = night
    look(site.page, view)
    site.open(PAGES[name].format(image=image))
    found = take(site.page)
    shifts = site.page.run(SHIFTS)
    assert sum(value for value, _ in shifts) < MOST_SHIFTED, shifts
    assert badly_rounded(site.page.run("document.body.innerText")) == []
    assert site.errors() == []
    assert_as_its_picture(site.page, f"{name}-{view.name}", found)
