"""What the page shows, in a real browser, on a real server and database."""

import asyncio
from collections.abc import Iterator

import asyncpg
import httpx
import numpy as np
import pytest

from livetrap.database.migrations import migrate
from livetrap.stack.restarts import RestartPolicy
from services.extract.steps.stamp_file import to_stamp_file
from sky.cutout import Cutout
from tests.support.api_rows import Rows
from tests.support.api_service import server
from tests.support.browser import CHROMIUM, open_page
from tests.support.own_postgres import own_postgres
from tests.support.page_errors import badly_rounded, read_value
from tests.support.page_site import Site, add_transient, open_site
from tests.support.records import wcs_header
from tests.support.supervised import shell, supervised

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

MARKUP = "<img src=x onerror=alert(1)>"
LONG_NAME = "n" * 200


@pytest.fixture(scope="module")
def site(postgres_url: str) -> Iterator[Site]:
    with open_site(postgres_url) as opened:
        yield opened


def row(transient: int) -> str:
    return f"document.querySelector('[data-transient=\"{transient}\"]')"


def stamp_file() -> bytes:
    """Return a stamp around the place of the transients of `add_transient`."""
    pixels = np.random.default_rng(1).normal(0, 1e-3, (65, 65)).astype(np.float32)
    pixels[32, 32] = 0.02
    return to_stamp_file(Cutout(pixels, 0, 0, wcs_header(10.0, 10.0, 65, 0.01)), {})


def test_stamps_are_shown_and_explained_where_there_are_none(site: Site) -> None:
    async def add(rows: Rows) -> tuple[int, int]:
        _, whole = await add_transient(rows)
        _, first = await add_transient(rows)
        for role in ("now", "before"):
            await rows.stamp(whole, role, stamp_file())
        await rows.stamp(first, "now", None, state="waiting", time_answered=None)
        await rows.stamp(first, "before", None, reason="no_earlier_image")
        return whole, first

    stream, (whole, first) = site.write(add)
    shown = "[...document.querySelectorAll('.four img')].filter(i => i.naturalWidth === 65)"
    words = "[...document.querySelectorAll('.four figure')].map(each => each.textContent)"
    page = site.open(f"source?transient={whole}")
    page.wait_for(f"{shown}.length === 3")
    assert page.run(words) == ["before", "now", "now \u2212 before"]
    page = site.open(f"source?transient={first}")
    page.wait_for("document.querySelectorAll('.four figure').length === 2")
    assert page.run(words) == ["no earlier image shows the placebefore", "not cut yetnow"]
    page = site.open(f"transients?stream={stream}")
    pictures = f"[...{row(whole)}.querySelectorAll('img')].filter(i => i.naturalWidth === 65)"
    page.wait_for(f"{pictures}.length === 3")
    assert page.run(f"{pictures}.map(each => each.src.split('-').pop().split('?')[0])") == [
        "before", "now", "difference"
    ]  # fmt: skip
    page.wait_for(
        f"{row(first)}?.querySelector('figure.stamp')?.textContent === 'pixels not kept'"
    )
    assert "no earlier image" in page.run(f"{row(first)}.querySelector('span.stamp').title")
    assert site.errors() == []


def test_transients_are_shown_and_new_ones_as_they_come(site: Site) -> None:
    stream, (source, transient) = site.write(add_transient)
    page = site.open(f"transients?stream={stream}")
    page.wait_for(f"{row(transient)} !== null")
    page.wait_for(f"{row(transient)}.querySelector('canvas').ariaLabel.includes('8 points')")
    # A row is fresh for some seconds: a slow test would come too late to see it.
    page.run(
        "window.fresh = []; new MutationObserver(() => window.fresh.push(...[...document"
        ".querySelectorAll('tr.fresh')].map(each => +each.dataset.transient)))"
        ".observe(document.body, {subtree: true, childList: true, attributes: true}); 0"
    )

    async def add_another(rows: Rows) -> tuple[int, int]:
        found = await rows.connection.fetchval("select id from stream where name = $1", stream)
        rows.stream, rows.stream_id, rows.n_images = stream, found, 100
        bands = await rows.connection.fetch("select * from band where stream_id = $1", found)
        rows.bands = {band["freq_eff_hz"]: band["id"] for band in bands}
        return await add_transient(rows, snr=33.0)

    _, (_, newer) = site.write(add_another)
    page.wait_for(f"window.fresh.includes({newer})")
    page.wait_for("document.querySelector('#announcement').textContent.includes('New alert')")
    page.run(f"{row(transient)}.querySelector('th a').click()")
    page.wait_for("document.querySelector('.chart canvas')?.ariaLabel.includes('8 measure')")
    assert page.run("location.pathname + location.search").startswith(
        f"/source?transient={transient}"
    )
    assert "120 MHz" in page.run("document.querySelector('.legend').textContent")
    for link in page.run(
        "[...document.querySelectorAll('a[href*=\"alerts/\"]')].map(a => a.href)"
    ):
        answer = httpx.get(
            link, headers={"Accept": "text/html,*/*;q=0.8"}, trust_env=False, timeout=60
        )
        assert answer.is_success, link
        assert ("format=xml" in link) == (answer.text == "<voe:VOEvent/>")
    assert site.errors() == []

    site.open(f"source?id={source}")
    assert "new" in page.run("document.querySelector('.source-head').textContent")
    assert site.errors() == []


def test_an_old_address_leads_to_the_source(site: Site) -> None:
    _, (source, transient) = site.write(add_transient)
    page = site.open(f"#source={source}")
    assert page.run("location.search") == f"?id={source}"
    page = site.open(f"?shared#transient={transient}")
    assert page.run("location.search") == f"?transient={transient}"


def test_a_retracted_transient_is_marked_and_has_its_reason(site: Site) -> None:
    async def add(rows: Rows) -> int:
        _, transient = await add_transient(rows)
        await rows.connection.execute(
            "update transient set state = 'retracted', retraction_reason = 'side lobe' "
            "where id = $1", transient
        )  # fmt: skip
        return transient

    _, transient = site.write(add)
    page = site.open(f"source?transient={transient}")
    assert "Retracted: side lobe" in page.run("document.body.innerText")
    assert site.errors() == []


def test_a_long_light_curve_shows_its_newest_points(site: Site) -> None:
    async def add(rows: Rows) -> int:
        image = await rows.image(0)
        source = await rows.source(10.0, 10.0, image=image, n_datapoints=5001)
        await rows.many_points(source, image, 5001)
        return source

    _, source = site.write(add)
    page = site.open(f"source?id={source}")
    page.wait_for("document.querySelector('.chart canvas')?.ariaLabel.includes('5000 measure')")
    assert "The newest 5,000 points" in page.run("document.body.innerText")
    assert site.errors() == []


def test_names_are_shown_as_text_not_as_markup(site: Site) -> None:
    name = MARKUP + LONG_NAME

    async def add(rows: Rows) -> int:
        await rows.connection.execute(
            "update stream set name = $2 where id = $1", rows.stream_id, name
        )
        rows.stream = name
        _, transient = await add_transient(rows)
        return transient

    _, transient = site.write(add)
    for path in ("", "transients", f"source?transient={transient}", "streams", "alerts", "sky"):
        page = site.open(path)
        if path != "sky":
            page.wait_for("document.body.textContent.includes('<img src=x')")
        assert page.run("document.querySelectorAll('img[src=x]').length") == 0
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), path
        assert site.errors() == []


def test_a_one_shot_transient_is_in_the_variability_plane(site: Site) -> None:
    async def add(rows: Rows) -> tuple[int, int]:
        image = await rows.image(0)
        for number in range(8):
            await rows.source(9.0 + number, 10.0, image=image, eta=1 + number / 10, v=0.05)
        # Blind points only once: eta and V are 0 where no forced point counts.
        zero = await rows.source(10.0, 10.0, image=image, eta=0.0, v=0.0, is_new=True)
        burst = await rows.source(
            11.0, 10.0, image=image, eta=400.0, v=2.5, is_new=True, n_datapoints=9, n_forced=8
        )
        await rows.copy_statistics()
        return zero, burst

    stream, (zero, burst) = site.write(add)
    page = site.open(f"eta-v?stream={stream}")
    page.wait_for("document.querySelector('.chart canvas')?.ariaLabel.includes('10 sources')")
    said = "document.querySelector('.chart [aria-live]').textContent"
    page.run("document.querySelector('.chart canvas').focus()")
    page.press("End")
    page.wait_for(f"{said}.includes('source {burst}, new')")
    page.press("Home")
    page.wait_for(f"{said}.includes('source {zero}, new')")
    beyond = page.run("document.querySelector('[aria-label=\"Beyond the cut\"]').innerText")
    assert str(burst) in beyond
    page.press("Enter")
    page.wait_for(f"location.search === '?id={zero}'")
    assert site.errors() == []


def test_an_error_has_two_digits_and_its_value_ends_at_the_same_place(site: Site) -> None:
    rng = np.random.default_rng(4)
    errors_jy = 10 ** rng.uniform(-8, 1, 150)
    # Those that are rounded to another power of ten, and those that are not.
    errors_jy[:8] = [9.96e-4, 0.0994, 0.0996, 0.996, 9.95e-6, 0.12345, 1.5e-7, 1e-3]
    fluxes_jy = rng.normal(0, 1, 150) * errors_jy * 10 ** rng.uniform(-1, 4, 150)

    async def add(rows: Rows) -> tuple[int, int]:
        image = await rows.image(
            0, flux_factor=1.23456, flux_factor_err=0.0456, flux_status="solved",
            shift_status="solved", shift_east_arcsec=-12.3456, shift_north_arcsec=0.0789,
            shift_err_arcsec=0.996,
        )  # fmt: skip
        source = await rows.source(10.0, 10.0, image=image)
        for flux_jy, err_jy in zip(fluxes_jy, errors_jy, strict=True):
            await rows.point(source, image, float(flux_jy), flux_int_err_jy=float(err_jy))
        return source, image

    _, (source, image) = site.write(add)
    page = site.open(f"source?id={source}&limits=0")
    page.wait_for("document.querySelector('.chart-foot summary')?.click() ?? true")
    cells = "[...document.querySelectorAll('.chart-foot tbody td:nth-child(3)')]"
    written = page.wait_for(f"{cells}.length === 150 && {cells}.map(each => each.innerText)")
    assert badly_rounded("\n".join(written)) == []
    found = np.array([read_value(each) for each in written])
    # The table has its rows as the answer has: by their numbers, for one image.
    np.testing.assert_array_less(np.abs(found[:, 0] - fluxes_jy), found[:, 2] * (1 + 1e-6))
    np.testing.assert_array_less(np.abs(found[:, 1] - errors_jy), found[:, 2] * (1 + 1e-6))
    page = site.open(f"image?id={image}")
    words = page.run("document.querySelector('[aria-label=Quantities]').innerText")
    assert "1.235 \u00b1 0.046, not applied" in words
    assert "\u221212.3 \u00b1 1.0\u2033, 0.1 \u00b1 1.0\u2033, not applied" in words
    assert site.errors() == []


def test_an_image_that_was_rejected_says_why(site: Site) -> None:
    async def add(rows: Rows) -> int:
        return await rows.image(
            0, verdict="rejected", reasons=["no_beam"], reason_text="BMAJ is missing"
        )

    _, image = site.write(add)
    page = site.open(f"image?id={image}")
    assert "BMAJ is missing" in page.run("document.body.innerText")
    page = site.open("images?verdict=rejected")
    assert "no beam" in page.run("document.querySelector('table').innerText")
    assert site.errors() == []


def test_the_api_reference_is_built_from_openapi(site: Site) -> None:
    site.page.goto(f"{site.address}/docs")
    site.page.wait_for("document.querySelectorAll('#docs details').length >= 10")


def test_the_api_reference_asks_again_until_the_description_comes(site: Site) -> None:
    site.page.call("Network.setBlockedURLs", urls=["*openapi.json"])
    try:
        site.page.goto(f"{site.address}/docs")
        site.page.wait_for("document.body?.innerText.includes('asking again')")
    finally:
        site.page.call("Network.setBlockedURLs", urls=[])
    site.page.wait_for("document.querySelectorAll('#docs details').length >= 10")


def test_an_empty_database_gets_advice(postgres_url: str) -> None:
    url = asyncio.run(_create_empty(postgres_url, "no_images"))
    migrate(url)
    with open_site(url) as site:
        for path, words in (
            ("", "livetrap simulate --kafka"), ("transients", "livetrap simulate --kafka"),
            ("eta-v", "The running catalogue is empty"), ("images", "livetrap ingest"),
            ("streams", "livetrap ingest"), ("alerts", "No alert was sent yet"),
            ("quality", "No image arrived yet"), ("sky", "Nothing was observed yet"),
            ("system", "No image arrived within the last hour"),
        ):  # fmt: skip
            page = site.open(path)
            assert words in page.run("document.body.innerText"), path
            assert site.errors() == []


async def _create_empty(postgres_url: str, name: str) -> str:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"drop database if exists {name}")
    await connection.execute(f"create database {name}")
    await connection.close()
    return f"{postgres_url.rsplit('/', 1)[0]}/{name}"


def test_a_page_without_postgresql_says_so_and_comes_back() -> None:
    with own_postgres() as server:
        migrate(server.url)
        with open_site(server.url) as site:
            stream, (_, transient) = site.write(add_transient)
            page = site.open(f"transients?stream={stream}")
            page.wait_for(f"{row(transient)} !== null")
            server.stop()
            # What was loaded stays, and is said to be of before.
            notice = "document.querySelector('.notice[role=status]')?.innerText ?? ''"
            page.wait_for(f"({notice}).startsWith('Out of date: PostgreSQL is unavailable')")
            assert page.run(f"{row(transient)} !== null")
            page.goto(f"{site.address}/transients?stream={stream}")
            words = "document.querySelector('.empty[role=alert]')?.innerText ?? ''"
            page.wait_for(f"({words}).includes('No transients: PostgreSQL is unavailable')")
            server.start()
            page.wait_for(
                f"{row(transient)} !== null"
                " || (document.querySelector('.empty[role=alert] button')?.click(), false)"
            )
            page.wait_for("document.querySelector('#connection.live') !== null")


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
                    page.wait_for("document.querySelector('#down') !== null")
                    text = page.run("document.querySelector('#down').textContent")
                    assert text.startswith("extract is down since 20")
                    assert "exit code 3" in text

            await asyncio.to_thread(browse)
