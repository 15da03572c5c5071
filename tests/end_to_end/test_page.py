"""The web page in a real browser, on a real server and database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx
import pytest

from livetrap.operator.migrations import migrate
from tests.integration.api.test_rows import Rows, rows_of
from tests.integration.api.test_stream import server
from tests.support.browser import CHROMIUM, Page, open_page

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

EVIL = "<img src=x onerror=alert(1)>"
FIRST = "document.querySelector('#transients button')"


async def appear(rows: Rows, *, snr: float = 20.0, kind: str = "new_source") -> tuple[int, int]:
    """Insert a transient with a light curve of two bands and its alert; give its ids."""
    images = [await rows.image(step, band) for step in range(4) for band in (120e6, 150e6)]
    source = await rows.source(
        10.0, 10.0, image=images[0], eta=30.0, v=0.5, is_new=True, n_datapoints=8
    )
    for number, image in enumerate(images):
        forced = {"extraction_type": "forced"} if number > 5 else {}
        await rows.point(source, image, 0.01 * (1 + number % 3), **forced)
    transient = await rows.transient(source, image=images[0], snr=snr, kind=kind)
    await rows.alert(transient_id=transient, source_id=source, snr=snr, kind=kind)
    return source, transient


@contextmanager
def page_at(address: str, stream: str) -> Iterator[Page]:
    """Open the page and choose a stream: the database is shared with other tests."""
    with open_page() as page:
        page.goto(address)
        page.wait_for("document.querySelector('#connection.live') !== null")
        page.wait_for(
            f"[...document.querySelectorAll('option')].some(o => o.value === '{stream}')"
        )
        page.run(
            "(() => { const field = document.querySelector('[name=stream]');"
            f" field.value = '{stream}';"
            " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        yield page


async def book(rows: Rows) -> None:
    await rows.connection.execute(
        "insert into ledger_total values ($1, 'processed', '', 8)", rows.stream
    )


async def test_the_page_shows_the_sky_and_what_is_new_in_it(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await book(rows)
        source, transient = await appear(rows)

        def look() -> None:
            with page_at(address, rows.stream) as page:
                page.wait_for(f"{FIRST} && {FIRST}.dataset.transient === '{transient}'")
                page.run(f"{FIRST}.click()")
                page.wait_for("document.querySelectorAll('#lightcurve circle').length === 8")
                assert page.run("location.hash") == f"#transient={transient}"
                assert "40m00" in page.run("document.querySelector('#detail-title').textContent")
                assert "120 MHz" in page.run("document.querySelector('#legend').textContent")
                page.wait_for("document.querySelectorAll('#plane circle').length > 0")
                page.wait_for("document.querySelectorAll('#sky circle').length > 0")
                for link in page.run(
                    "[...document.querySelectorAll('#links a')].map(a => a.href)"
                ):
                    answer = httpx.get(link, headers={"Accept": "text/html,*/*;q=0.8"})
                    assert answer.is_success, link
                    assert ("format=xml" in link) == (answer.text == "<voe:VOEvent/>")

                _, newer = asyncio.run(appear_in(postgres_url, rows))
                page.wait_for(f"{FIRST}?.dataset.transient === '{newer}'", timeout_s=20)
                assert page.run(f"{FIRST}.classList.contains('fresh')")
                said = page.run("document.querySelector('#announcement').textContent")
                assert "New alert" in said

                page.run("document.querySelector('[name=min_snr]').value = 1000")
                page.run(
                    "document.querySelector('#filters')"
                    ".dispatchEvent(new Event('input', {bubbles: true}))"
                )
                page.wait_for(f"{FIRST} === null")
                assert page.errors == []

                page.goto(f"{address}/?shared#source={source}")
                page.wait_for("document.querySelectorAll('#lightcurve circle').length === 8")

        await asyncio.to_thread(look)


async def appear_in(postgres_url: str, rows: Rows) -> tuple[int, int]:
    """Let another one appear, over a connection of this thread's own event loop."""
    async with rows_of(postgres_url) as other:
        other.stream, other.stream_id = rows.stream, rows.stream_id
        other.bands, other.n_images = rows.bands, rows.n_images
        return await appear(other, kind="new_source", snr=33.0)


async def test_what_was_taken_back_is_marked_in_the_list_and_says_why(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await book(rows)
        _, transient = await appear(rows)
        await rows.connection.execute(
            "update transient set state = 'retracted', retraction_reason = 'side lobe' "
            "where id = $1", transient
        )  # fmt: skip

        def look() -> None:
            with page_at(address, rows.stream) as page:
                page.wait_for(f"{FIRST}?.dataset.transient === '{transient}'")
                assert "retracted" in page.run(f"{FIRST}.textContent")
                page.run(f"{FIRST}.click()")
                page.wait_for("document.body.textContent.includes('side lobe')")
                assert page.errors == []

        await asyncio.to_thread(look)


async def test_names_from_outside_are_text_not_markup(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await rows.connection.execute(
            "update stream set name = $2 where id = $1", rows.stream_id, EVIL + rows.stream
        )
        rows.stream = EVIL + rows.stream
        await book(rows)
        await appear(rows)

        def look() -> None:
            with page_at(address, rows.stream) as page:
                page.wait_for(f"{FIRST} && {FIRST}.textContent.includes('<img src=x')")
                assert page.run("document.querySelectorAll('img[src=x]').length") == 0
                assert page.errors == []

        await asyncio.to_thread(look)


async def test_the_page_tells_that_the_server_is_away_and_comes_back(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await book(rows)

        def look() -> None:
            with page_at(address, rows.stream) as page:
                page.wait_for("document.querySelector('#transients').textContent.length > 0")
                page.go_offline(offline=True)
                page.wait_for("document.querySelector('#connection.lost') !== null")
                assert "away" in page.run("document.querySelector('#connection').textContent")
                page.go_offline(offline=False)
                page.wait_for("document.querySelector('#connection.live') !== null")

        await asyncio.to_thread(look)


async def test_an_empty_sky_says_what_to_do(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("drop database if exists empty_sky")
    await connection.execute("create database empty_sky")
    await connection.close()
    url = postgres_url.rsplit("/", 1)[0] + "/empty_sky"
    await asyncio.to_thread(migrate, url)
    async with server(url) as (address, _):

        def look() -> None:
            with open_page() as page:
                page.goto(address)
                page.wait_for("document.querySelector('#connection.live') !== null")
                page.wait_for(
                    "document.querySelector('#transients').textContent"
                    ".includes('livetrap simulate --kafka')"
                )
                assert page.errors == []

        await asyncio.to_thread(look)


async def test_the_reference_writes_itself(postgres_url: str) -> None:
    async with server(postgres_url) as (address, _):

        def look() -> None:
            with open_page() as page:
                page.goto(f"{address}/docs")
                page.wait_for("document.querySelectorAll('#docs details').length >= 10")
                assert page.errors == []

        await asyncio.to_thread(look)
