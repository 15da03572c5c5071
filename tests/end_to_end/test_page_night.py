"""Coverage, depth, fits and astrometry of a night in the page; a page that stays open."""

import math
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from astropy import units
from astropy_healpix import HEALPix

from tests.support.api_rows import Rows
from tests.support.browser import CHROMIUM, Page
from tests.support.page_events import FAKE_EVENTS, hear
from tests.support.page_site import Site, add_transient, open_site

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

ORDER = 5
DISC_DEG = 6.0
N_EVENTS = 4000
N_ROWS = 160  # of which all but those near the window are left out
MOST_GROWTH = 1.2
# Events of the stream of alerts come from the test, not from the server.


@pytest.fixture(scope="module")
def site(postgres_url: str) -> Iterator[Site]:
    with open_site(postgres_url, {"LIVETRAP_EXTRACT__RMS_MAX_JY_BEAM": "0.02"}) as opened:
        yield opened


def read_marks(page: Page, chart: str, key: str) -> str:
    """Focus a chart and return what a key reads."""
    page.run(f"document.querySelector('{chart} .chart canvas').focus()")
    page.press(key)
    said = f"document.querySelector('{chart} .chart [aria-live]').textContent"
    return str(page.wait_for(said))


def test_the_coverage_is_drawn_by_cells_and_read_with_its_depth(site: Site) -> None:
    healpix = HEALPix(nside=2**ORDER, order="nested")

    async def add(rows: Rows) -> tuple[list[int], int]:
        image = await rows.image(0)
        found = healpix.cone_search_lonlat(0 * units.deg, 88 * units.deg, DISC_DEG * units.deg)
        cells = [int(each) for each in found]
        await rows.connection.executemany(
            "insert into sky_coverage values ($1, 'I', $2, $3, $4)",
            [(await rows.band(150e6), 4 * 4**ORDER + cell, image, 1e-3 * (1 + n / 10))
             for n, cell in enumerate(cells)],
        )  # fmt: skip
        return cells, image

    stream, (cells, image) = site.write(add)
    page = site.open(f"sky?stream={stream}")
    canvas = "document.querySelector('[aria-label=Coverage] .chart canvas')"
    page.wait_for(f"{canvas}?.ariaLabel.includes('{len(cells)} cells')")
    assert "rms 1 mJy/beam" in page.run(
        "document.querySelector('[aria-label=Coverage] .legend').innerText"
    )
    said = read_marks(page, "[aria-label=Coverage]", "Home")
    assert f"150 MHz I, image {image}" in said
    page.run("document.querySelector('[aria-label=Coverage] summary').click()")
    rows = "[...document.querySelectorAll('[aria-label=Coverage] tbody tr')].map(r => r.innerText)"
    table = page.wait_for(f"{rows}.length && {rows}")
    assert len(table) == len(cells)
    for row, cell in zip(table, sorted(cells), strict=True):
        _, dec = healpix.healpix_to_lonlat([cell])
        assert row.startswith(str(4 * 4**ORDER + cell))
        assert f"+{int(dec.deg[0])}\u00b0" in row
    assert site.errors() == []


def test_the_completeness_of_a_night_counts_what_is_missing(site: Site) -> None:
    async def add(rows: Rows) -> None:
        for step in (0, 1, 2, 3, 6, 7, 8, 9):  # 10 s apart: two are missing
            verdict = "rejected" if step == 9 else "accepted"
            await rows.image(step, verdict=verdict, reasons=["no_beam"] if step == 9 else [])

    stream, _ = site.write(add)
    page = site.open(f"quality?stream={stream}")
    row = "document.querySelector('[aria-label=Completeness] tbody tr')?.innerText"
    words = page.wait_for(row).split("\t")
    assert words[:7] == [f"{stream}, 150 MHz I", "70.0 %", "7 / 10", "1", "2", "10 s", "30 s"]
    assert site.errors() == []


def test_the_time_coverage_of_a_band_counts_what_overlaps_once(site: Site) -> None:
    async def add(rows: Rows) -> int:
        # 10 s each, but the last: 0 to 20 s, 5 to 15 s of another field, 40 to 60 s.
        for step, exposure_s in ((0, 20.0), (0.5, 10.0), (4, 20.0)):
            image = await rows.image(step, rms_jy_beam=0.002 + step / 1e3, exposure_s=exposure_s)
        return image

    stream, image = site.write(add)
    page = site.open(f"sky?stream={stream}")
    row = "document.querySelector('[aria-label=\"Time coverage\"] tbody tr')?.innerText"
    words = page.wait_for(row).split("\t")
    assert words[:5] == ["150 MHz I", "3", "50 s", "66.7 %", "2 mJy/beam"]
    said = read_marks(page, '[aria-label="Time coverage"]', "End")
    assert said.startswith(f"image {image}, 150 MHz I\n")
    assert "rms 6 mJy/beam" in said
    assert site.errors() == []


def test_completeness_is_the_part_of_the_injected_sources_that_was_found(site: Site) -> None:
    async def add(rows: Rows) -> str:
        image = await rows.image(0)
        catalogue = await rows.one("reference_catalogue", name=f"put-{rows.stream}", n_sources=9)
        # Across 0h: four of the bright and one of the faint ones are found, 40 arcsec aside.
        places = [(359.8 + n / 10) % 360 for n in range(9)]
        await rows.connection.executemany(
            "insert into reference_source values ($1, 60, $2, 30, null, $3)",
            [(catalogue, ra, 0.2 if n < 4 else 0.02) for n, ra in enumerate(places)],
        )
        for ra in places[:5]:
            await rows.source(ra, 30 + 40 / 3600, image=image)
        return f"put-{rows.stream}"

    stream, catalogue = site.write(add)
    page = site.open(f"sky?stream={stream}&injections={catalogue}")
    card = "document.querySelector('[aria-label=\"Completeness from injections\"]')"
    page.wait_for(f"{card}.innerText.includes('5 of 9 injected sources')")
    said = read_marks(page, '[aria-label="Completeness from injections"]', "Home")
    assert said.splitlines()[1:] == ["1 of 5 found", "20.0 %"]
    page.run(f"{card}.querySelector('summary').click()")
    rows = f"[...{card}.querySelectorAll('tbody tr')].map(r => r.innerText.split('\\t').slice(2))"
    found = page.wait_for(f"{rows}.length && {rows}")
    assert found == [["5", "1", "20.0 %"], ["4", "4", "100.0 %"]]
    assert site.errors() == []


def test_the_noise_is_drawn_between_its_bounds(site: Site) -> None:
    async def add(rows: Rows) -> int:
        await rows.image(0, rms_jy_beam=0.002)
        return await rows.image(1, verdict="rejected", reasons=["rms_too_high"], rms_jy_beam=0.03)

    stream, rejected = site.write(add)
    page = site.open(f"quality?stream={stream}")
    words = "document.querySelector('[aria-label=Noise]').innerText"
    page.wait_for(f"{words}.includes('Bounds: at most 20 mJy/beam; none by earlier images.')")
    assert "\u00d7 rejected" in page.run(words)
    said = read_marks(page, "[aria-label=Noise]", "End")
    assert said.splitlines()[0] == f"image {rejected}"
    assert said.splitlines()[-2:] == ["rejected", "30"]
    assert site.errors() == []


def test_known_sources_of_other_catalogues_are_named(site: Site) -> None:
    async def add(rows: Rows) -> int:
        source = await rows.source(10.0, 10.0, image=await rows.image(0))
        for name, offset_arcsec in (("nvss", 20), ("first", 4)):
            catalogue = await rows.one(
                "reference_catalogue", name=f"{name}-{rows.stream}", n_sources=2
            )
            flux_jy = 0.087 if name == "nvss" else None
            await rows.connection.executemany(
                "insert into reference_source values ($1, 20, 10, $2, $3, $4)",
                [(catalogue, 10 + (offset_arcsec + further) / 3600, f"J{name}{further}", flux_jy)
                 for further in (0, 100)],
            )  # fmt: skip
        return source

    stream, source = site.write(add)
    page = site.open(f"source?id={source}")
    rows = "[...document.querySelectorAll('[aria-label=\"Known sources\"] tbody tr')]"
    found = page.wait_for(f"{rows}.length && {rows}.map(each => each.innerText.split('\\t'))")
    assert found == [
        [f"first-{stream}", "Jfirst0", "4.00\u2033", "\u2013"],
        [f"nvss-{stream}", "Jnvss0", "20.0\u2033", "87 mJy"],
    ]
    assert site.errors() == []


def test_positions_are_drawn_around_the_catalogue(site: Site) -> None:
    async def add(rows: Rows) -> tuple[int, int]:
        image = await rows.image(0, field_ra=10.0, field_dec=10.0, field_radius_deg=2.0)
        sources = []
        for number in range(5):
            source = await rows.source(9.0 + number / 2, 10.0, image=image)
            # Each lies 3.6 arcsec north of its source.
            await rows.point(source, image, ra=9.0 + number / 2, dec=10.001)
            sources.append(source)
        return image, sources[0]

    _, (image, source) = site.write(add)
    page = site.open(f"image?id={image}")
    page.wait_for("document.querySelectorAll('[aria-label=Positions] .chart canvas').length === 2")
    assert f"source {source}, " in read_marks(page, "[aria-label=Positions]", "Home")
    assert "3.60\u2033 north" in page.run(
        "document.querySelector('[aria-label=Positions] .quiet').innerText"
    )
    page = site.open(f"source?id={source}")
    assert "3.60\u2033 north" in page.wait_for(
        "document.querySelector('[aria-label=Positions] .chart-figure ~ .quiet')?.innerText"
    )
    assert "none of the 1 points" in page.run(
        "document.querySelector('[aria-label=Bands]').innerText"
    )
    found = httpx.get(
        f"{site.address}/api/v1/images/{image}/sources", trust_env=False, timeout=60
    ).json()["items"]
    np.testing.assert_allclose([each["dec"] - each["source_dec"] for each in found], 0.001)
    assert site.errors() == []


def test_the_rms_of_an_image_is_a_map(site: Site) -> None:
    async def add(rows: Rows) -> int:
        return await rows.image(
            0, width_px=300, height_px=200, margin_px=10, rms_grid_cell_px=100,
            rms_grid_columns=3, rms_grid=[0.001, 0.002, 0.003, 0.004, float("nan"), 0.006],
        )  # fmt: skip

    _, image = site.write(add)
    page = site.open(f"image?id={image}")
    page.wait_for("document.querySelectorAll('[aria-label=Noise] .chart canvas').length === 2")
    label = page.run("document.querySelector('[aria-label=Noise] .chart canvas').ariaLabel")
    assert "5 cells" in label  # of six, one is blank
    said = read_marks(page, "[aria-label=Noise]", "End")
    assert said.splitlines()[0] in ("rms 3 mJy/beam", "rms 6 mJy/beam")
    assert "column 250" in said
    legend = page.run("document.querySelector('[aria-label=Noise] .legend').innerText")
    assert "faint: rms 1 mJy/beam, strong: 6 mJy/beam" in legend
    page.run("document.querySelector('[aria-label=Noise] summary').click()")
    table = "document.querySelector('[aria-label=Noise] tbody')?.innerText"
    assert page.wait_for(table).split() == ["4", "\u2013", "6", "1", "2", "3"]
    assert site.errors() == []


def test_the_offsets_of_a_stream_say_what_its_systematic_error_is(site: Site) -> None:
    shifts_arcsec = np.random.default_rng(1).normal([0.0, 2.0], [5.0, 3.0], (200, 2))

    async def add(rows: Rows) -> None:
        for step in range(24):  # more than are looked at, of which the newest is one
            image = await rows.image(step)
        source = await rows.source(10.0, 0.0, image=image)
        for east, north in shifts_arcsec:
            await rows.point(source, image, ra=10 + east / 3600, dec=north / 3600,
                             ra_err_deg=3 / 3600, dec_err_deg=3 / 3600)  # fmt: skip

    stream, _ = site.write(add)
    page = site.open(f"quality?stream={stream}")
    rows = "[...document.querySelectorAll('[aria-label=\"Position offsets\"] tbody tr')]"
    found = page.wait_for(f"{rows}.length === 2 && {rows}.map(each => each.innerText)")
    numbers = [[float(v.strip("\u2033").replace("\u2212", "-")) for v in each.split("\t")[1:]]
               for each in found]  # fmt: skip
    for (middle, spread, fitted, excess), values in zip(numbers, shifts_arcsec.T, strict=True):
        # As the page takes the median: the upper one of the two in the middle.
        wanted = np.sort(values)[values.size // 2]
        deviation = 1.4826 * np.sort(np.abs(values - wanted))[values.size // 2]
        np.testing.assert_allclose([middle, spread, fitted], [wanted, deviation, 3], rtol=6e-3)
        beyond = np.sqrt(max(0, deviation**2 - 9))
        np.testing.assert_allclose(excess, beyond, rtol=6e-3, atol=6e-3)
    assert "measurements" in read_marks(page, '[aria-label="Position offsets"]', "Home")
    assert site.errors() == []


def test_a_constant_is_fitted_to_each_band(site: Site) -> None:
    low, high = [10.0, 11.0, 9.5, 10.3], [10.0, 14.0]  # mJy, with errors of 1 mJy

    async def add(rows: Rows) -> int:
        source = 0
        for freq_eff_hz, fluxes in ((120e6, low), (150e6, high)):
            for step, flux_mjy in enumerate(fluxes):
                image = await rows.image(step, freq_eff_hz)
                source = source or await rows.source(10.0, 10.0, image=image)
                await rows.point(source, image, flux_mjy / 1e3)
        return source

    _, source = site.write(add)
    page = site.open(f"source?id={source}")
    rows = "[...document.querySelectorAll('.fits tbody tr')].map(each => each.innerText)"
    found = [each.split("\t") for each in page.wait_for(f"{rows}.length === 2 && {rows}")]
    chi2 = float(np.sum((np.array(low) - np.mean(low)) ** 2))
    # Of three degrees of freedom, and of one (Abramowitz & Stegun 26.4.4).
    of_three = math.erfc(math.sqrt(chi2 / 2)) + math.sqrt(2 * chi2 / math.pi) * math.exp(-chi2 / 2)
    assert found == [
        ["120 MHz I", "4", "10.20 ± 0.50 mJy", f"{chi2:.4g}", "3", f"{of_three:.3g}"],
        ["150 MHz I", "2", "12.00 ± 0.71 mJy", "8", "1", f"{math.erfc(2):.3g}"],
    ]
    page = site.open(f"source?id={source}&band=150+MHz+I&flux=peak")
    words = page.wait_for("document.querySelector('.fits')?.innerText")
    assert "constant peak flux" in words
    assert "12.00 ± 0.71 mJy/beam" in words
    assert "120 MHz" not in words
    assert site.errors() == []


def heap_bytes(page: Page) -> float:
    page.call("HeapProfiler.collectGarbage")
    found = page.call("Performance.getMetrics")["metrics"]
    return next(float(each["value"]) for each in found if each["name"] == "JSHeapUsedSize")


def test_the_memory_of_a_page_that_stays_open_is_flat(site: Site) -> None:
    stream, (_, transient) = site.write(add_transient)
    made = site.page.call("Page.addScriptToEvaluateOnNewDocument", source=FAKE_EVENTS)
    page = site.page
    try:
        page.call("Performance.enable")
        page.goto(f"{site.address}/transients?stream={stream}")
        page.wait_for("window.alerts && document.querySelector('[data-transient]') !== null")
        hear(page, transient, 0, N_EVENTS // 4)
        before = heap_bytes(page)
        hear(page, transient, N_EVENTS // 4, N_EVENTS)
        assert heap_bytes(page) < MOST_GROWTH * before
        assert page.run("document.querySelectorAll('[data-transient]').length") == 1
    finally:
        page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])


def test_a_long_list_draws_the_rows_near_the_window_alone(site: Site) -> None:
    async def add(rows: Rows) -> list[int]:
        image = await rows.image(0)
        return [
            await rows.transient(
                await rows.source(10.0, 10.0, image=image), image=image, snr=float(n)
            )
            for n in range(N_ROWS)
        ]

    stream, transients = site.write(add)
    page = site.open(f"transients?stream={stream}")
    count = "document.querySelectorAll('[data-transient]').length"
    rows = "+document.querySelector('.transients').getAttribute('aria-rowcount') - 1"
    for n_loaded in (100, 150, N_ROWS):
        page.run("document.querySelector('button.more').click()")
        page.wait_for(f"{rows} === {n_loaded}")
    page.wait_for(f"{count} < 80")
    page.run("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for(f"document.querySelector('[data-transient=\"{transients[0]}\"]') !== null")
    assert page.run(count) < 80
    # Keys go on from the first row, which is not drawn now.
    focused = "+document.activeElement.closest('tr')?.dataset.transient"
    for transient in transients[-1:-4:-1]:
        page.press("j")
        page.wait_for(f"{focused} === {transient}")
    page.press("x")
    page.wait_for("document.querySelector('.selection strong')?.textContent === '1 selected'")
    assert page.run(
        f"document.querySelector('[data-transient=\"{transients[-3]}\"] input').checked"
    )
    assert site.errors() == []
