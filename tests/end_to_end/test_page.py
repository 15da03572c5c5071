"""The web page in a real browser, on a real server and database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx
import pytest

from livetrap.database.migrations import migrate
from livetrap.stack.restarts import RestartPolicy
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import server
from tests.support.browser import CHROMIUM, Page, open_page
from tests.support.supervised import shell, supervised

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

MARKUP = "<img src=x onerror=alert(1)>"
FIRST = "document.querySelector('#transients button')"


async def add_transient(
    rows: Rows, *, snr: float = 20.0, kind: str = "new_source"
) -> tuple[int, int]:
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
    """Open the page and choose a stream."""
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


async def add_to_ledger(rows: Rows) -> None:
    await rows.connection.execute(
        "insert into ledger_total values ($1, 'processed', '', 8)", rows.stream
    )


async def test_the_page_shows_transients_and_new_ones_as_they_come(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await add_to_ledger(rows)
        source, transient = await add_transient(rows)

        def browse() -> None:
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

                _, newer = asyncio.run(add_transient_from_thread(postgres_url, rows))
                page.wait_for(f"{FIRST}?.dataset.transient === '{newer}'")
                assert page.run(f"{FIRST}.classList.contains('fresh')")
                announcement = page.run("document.querySelector('#announcement').textContent")
                assert "New alert" in announcement

                page.run("document.querySelector('[name=min_snr]').value = 1000")
                page.run(
                    "document.querySelector('#filters')"
                    ".dispatchEvent(new Event('input', {bubbles: true}))"
                )
                page.wait_for(f"{FIRST} === null")
                assert page.errors == []

                page.goto(f"{address}/?shared#source={source}")
                page.wait_for("document.querySelectorAll('#lightcurve circle').length === 8")

        await asyncio.to_thread(browse)


async def add_transient_from_thread(postgres_url: str, rows: Rows) -> tuple[int, int]:
    """Insert another transient, over a connection of this thread's own event loop."""
    async with rows_of(postgres_url) as other:
        other.stream, other.stream_id = rows.stream, rows.stream_id
        other.bands, other.n_images = rows.bands, rows.n_images
        return await add_transient(other, kind="new_source", snr=33.0)


async def test_a_retracted_transient_is_marked_and_has_its_reason(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await add_to_ledger(rows)
        _, transient = await add_transient(rows)
        await rows.connection.execute(
            "update transient set state = 'retracted', retraction_reason = 'side lobe' "
            "where id = $1", transient
        )  # fmt: skip

        def browse() -> None:
            with page_at(address, rows.stream) as page:
                page.wait_for(f"{FIRST}?.dataset.transient === '{transient}'")
                assert "retracted" in page.run(f"{FIRST}.textContent")
                page.run(f"{FIRST}.click()")
                page.wait_for("document.body.textContent.includes('side lobe')")
                assert page.errors == []

        await asyncio.to_thread(browse)


async def test_a_long_light_curve_shows_its_newest_points(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await add_to_ledger(rows)
        image = await rows.image(0)
        source = await rows.source(10.0, 10.0, image=image, n_datapoints=5001)
        await rows.many_points(source, image, 5001)

        def browse() -> None:
            with open_page() as page:
                page.goto(f"{address}/#source={source}")
                page.wait_for("document.querySelectorAll('#lightcurve circle').length === 5000")
                legend = page.run("document.querySelector('#legend').textContent")
                assert "the newest 5,000 points" in legend
                assert page.errors == []

        await asyncio.to_thread(browse)


async def test_names_are_shown_as_text_not_as_markup(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await rows.connection.execute(
            "update stream set name = $2 where id = $1", rows.stream_id, MARKUP + rows.stream
        )
        rows.stream = MARKUP + rows.stream
        await add_to_ledger(rows)
        await add_transient(rows)

        def browse() -> None:
            with page_at(address, rows.stream) as page:
                page.wait_for(f"{FIRST} && {FIRST}.textContent.includes('<img src=x')")
                assert page.run("document.querySelectorAll('img[src=x]').length") == 0
                assert page.errors == []

        await asyncio.to_thread(browse)


async def test_the_page_reconnects_to_a_server_that_was_unreachable(
    postgres_url: str,
) -> None:
    async with rows_of(postgres_url) as rows, server(postgres_url) as (address, _):
        await add_to_ledger(rows)

        def browse() -> None:
            with page_at(address, rows.stream) as page:
                page.wait_for("document.querySelector('#transients').textContent.length > 0")
                page.go_offline(offline=True)
                page.wait_for("document.querySelector('#connection.lost') !== null")
                assert "unreachable" in page.run(
                    "document.querySelector('#connection').textContent"
                )
                page.go_offline(offline=False)
                page.wait_for("document.querySelector('#connection.live') !== null")

        await asyncio.to_thread(browse)


async def test_an_empty_database_gets_advice(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("drop database if exists no_images")
    await connection.execute("create database no_images")
    await connection.close()
    url = postgres_url.rsplit("/", 1)[0] + "/no_images"
    await asyncio.to_thread(migrate, url)
    async with server(url) as (address, _):

        def browse() -> None:
            with open_page() as page:
                page.goto(address)
                page.wait_for("document.querySelector('#connection.live') !== null")
                page.wait_for(
                    "document.querySelector('#transients').textContent"
                    ".includes('livetrap simulate --kafka')"
                )
                assert page.errors == []

        await asyncio.to_thread(browse)


async def test_the_api_reference_is_built_from_openapi(postgres_url: str) -> None:
    async with server(postgres_url) as (address, _):

        def browse() -> None:
            with open_page() as page:
                page.goto(f"{address}/docs")
                page.wait_for("document.querySelectorAll('#docs details').length >= 10")
                assert page.errors == []

        await asyncio.to_thread(browse)


async def test_the_page_says_which_service_is_down(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = RestartPolicy(max_delay_s=0.01, steady_after_s=600)
    with supervised(shell("extract", "exit 3"), policy=policy) as stack:
        stack.wait_for(lambda now: now["extract"].n_exits > 2)
        # The api of a stack has it from supervisord; this one cannot wait until all is well.
        monkeypatch.setenv("LIVETRAP_API__SUPERVISOR", stack.socket)
        async with server(postgres_url, ready_path="/healthz") as (address, _):

            def browse() -> None:
                with open_page() as page:
                    page.goto(address)
                    page.wait_for("document.querySelector('#down')?.hidden === false")
                    text = page.run("document.querySelector('#down').textContent")
                    assert text.startswith("extract is down since 20")
                    assert "exit code 3" in text

            await asyncio.to_thread(browse)
