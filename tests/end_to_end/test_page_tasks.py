"""What readers do in the page: listen, follow links and bands, export."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from tests.support.api_rows import Rows
from tests.support.browser import CHROMIUM
from tests.support.page_site import Site, add_transient, open_site

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

# A machine of the tests has neither a loudspeaker nor somebody who allows notifications.
HEARD = """(() => {
  window.heard = [];
  window.AudioContext = class {
    currentTime = 0;
    createOscillator() {
      return {frequency: {}, connect() {}, start() { window.heard.push('tone'); }, stop() {}};
    }
  };
  window.Notification = class {
    static async requestPermission() { return 'granted'; }
    constructor(title) { window.heard.push(title); }
  };
})()"""


@pytest.fixture(scope="module")
def site(postgres_url: str) -> Iterator[Site]:
    with open_site(postgres_url) as opened:
        yield opened


def test_a_new_alert_is_heard_and_notified_if_asked(site: Site) -> None:
    made = site.page.call("Page.addScriptToEvaluateOnNewDocument", source=HEARD)
    try:
        page = site.open()
        site.write(add_transient)
        page.wait_for("document.querySelector('#announcement').textContent !== ''")
        assert page.run("window.heard") == []
        for number in (0, 1):
            box = f"document.querySelectorAll('.wishes input')[{number}]"
            page.run(f"{box}.click()")
            page.wait_for(f"{box}.checked")
        site.write(add_transient)
        page.wait_for("window.heard.length === 2")
        assert page.run("window.heard") == ["tone", "new, S/N 20"]
    finally:
        site.page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])


def test_images_of_a_band_are_stepped_through_by_keys(site: Site) -> None:
    async def add(rows: Rows) -> list[int]:
        return [await rows.image(step, band) for step in range(3) for band in (120e6, 150e6)]

    _, images = site.write(add)
    page = site.open(f"image?id={images[2]}")
    for key, at, image in (("j", "10", images[4]), ("k", "20", images[2]), ("k", "10", images[0])):
        step = "next" if key == "j" else "previous"
        page.wait_for(
            f"document.querySelector('.source-head h2')?.innerText.includes('20:00:{at}')"
        )
        page.wait_for(f"document.querySelector('.steps').innerText.includes('{step} of the band')")
        page.press(key)
        page.wait_for(f"location.search === '?id={image}'")
    link = page.wait_for("document.querySelector('a[href*=\"format=ds9\"]')?.href")
    assert httpx.get(link, trust_env=False, timeout=60).text.startswith("# Region file format")
    assert site.errors() == []


def test_a_light_curve_is_exported_with_every_kind_of_point(site: Site) -> None:
    kinds = ("blind", "forced", "monitor", "lookback")

    async def add(rows: Rows) -> int:
        source = 0
        for step, kind in enumerate(kinds):
            image = await rows.image(step)
            source = source or await rows.source(10.0, 10.0, image=image)
            await rows.point(source, image, 0.01 * (1 + step), extraction_type=kind)
        return source

    _, source = site.write(add)
    page = site.open(f"source?id={source}")
    legend = page.wait_for("document.querySelector('.legend')?.innerText")
    assert all(each in legend for each in ("blind", "forced", "monitor", "look-back"))
    table = page.run("document.querySelector('.links a[href*=\"lightcurve?format=csv\"]').href")
    text = httpx.get(table, trust_env=False, timeout=60).text
    assert all(f"{kind}" in text for kind in kinds)
    table = page.run("document.querySelector('.links a[href*=\"format=votable\"]').href")
    assert "<VOTABLE" in httpx.get(table, trust_env=False, timeout=60).text
    assert site.errors() == []


def test_other_services_are_links_and_nothing_is_asked_of_them(site: Site) -> None:
    _, (source, _) = site.write(add_transient)
    page = site.open(f"source?id={source}")
    links = "[...document.querySelectorAll('main a[target=_blank]')]"
    page.wait_for(f"{links}.length === 4")
    assert page.run(f"{links}.map(each => each.innerText)") == ["SIMBAD", "NED", "TNS", "Aladin"]
    assert page.run(f"{links}.every(each => each.rel.includes('noreferrer'))")
    assert [each for each in page.requests if not each.startswith((site.address, "data:"))] == []
    assert site.errors() == []


def test_a_number_that_is_searched_for_leads_to_its_page(site: Site) -> None:
    _, (source, _) = site.write(add_transient)
    page = site.open()
    page.run("document.querySelector('[type=search]').focus()")
    page.call("Input.insertText", text=str(source))
    page.press("Enter")
    page.wait_for(
        f"location.search === '?id={source}' || [...document.querySelectorAll('.found a')]"
        f".some(each => each.getAttribute('href') === 'source?id={source}')"
    )
    assert site.errors() == []


def test_the_machinery_is_what_the_database_says(site: Site) -> None:
    async def add(rows: Rows) -> int:
        alert = await rows.alert(latency_s=0.25)
        await rows.connection.execute(
            "insert into delivery values ($1, 'kafka', 'alerts-voevent-v1', $2, $2)",
            alert, datetime.now(UTC),
        )  # fmt: skip
        await rows.connection.execute(
            "insert into ledger_total values ($1, 'duplicate', '', 1234)", rows.stream
        )
        return alert

    _, alert = site.write(add)
    page = site.open("system")
    page.wait_for("document.body.innerText.includes('alert total')")
    page.wait_for("/duplicate\\s+1,234/.test(document.body.innerText)")
    page = site.open(f"alerts?id={alert}")
    page.wait_for("/kafka\\s+alerts-voevent-v1/.test(document.body.innerText)")
    assert site.errors() == []


def test_who_wants_no_motion_gets_none(site: Site) -> None:
    page = site.open("transients")
    for wish, name in (("reduce", "none"), ("no-preference", "fresh")):
        page.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-reduced-motion", "value": wish}],
        )
        page.run("document.querySelector('tbody tr').classList.add('fresh')")
        assert page.wait_for(
            "getComputedStyle(document.querySelector('tbody tr.fresh')).animationName"
        ) == name  # fmt: skip
    page.call("Emulation.setEmulatedMedia", features=[])


def test_an_address_shows_the_same_to_somebody_else(site: Site) -> None:
    _, (_, transient) = site.write(add_transient)
    path = "transients?kind=new_source&columns=snr,trigger"
    site.open(path)
    site.page.run("sessionStorage.clear(), localStorage.clear()")
    page = site.open(path)
    page.wait_for(f"document.querySelector('[data-transient=\"{transient}\"]') !== null")
    assert page.run("document.querySelector('[name=kind]').value") == "new_source"
    assert page.run("document.querySelectorAll('.transients thead th').length") == 4
    assert site.errors() == []
