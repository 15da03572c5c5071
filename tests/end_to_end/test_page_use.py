"""How the page is used: address, keys, contrast, width, and a server that does not answer."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.api_rows import Rows
from tests.support.browser import CHROMIUM
from tests.support.page_site import TOKEN, Site, add_transient, open_site

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

MOST_KEYS = 12
AXE = Path("api/web/node_modules/axe-core/axe.min.js")
PAGES = ("", "transients", "source?transient={0}", "eta-v", "images", "image?id=1", "streams",
         "rules", "alerts", "system", "quality", "sky", "nothing-there")  # fmt: skip
# Contrast of text with what is behind it (WCAG 2.1, 1.4.3), of all that has text of its own.
CONTRAST = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3)
    .map((each) => each / 255)
    .map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    if (element.closest('.visually-hidden, noscript')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const words = element.outerHTML.slice(0, 90);
    if (ratio < 4.5 && !element.disabled) found.push(`${ratio.toFixed(2)} ${words}`);
    if (parseFloat(style.fontSize) < 12) found.push(`${style.fontSize} ${words}`);
  }
  return found;
})()"""
# Targets of less than 24 px, but for links within a sentence (WCAG 2.2, 2.5.8).
SMALL = """[...document.querySelectorAll(
    'button, select, input, summary, nav a, .links a, tbody th a')]
  .filter((each) => each.checkVisibility() && !each.matches('[type=checkbox]'))
  .filter((each) => each.getBoundingClientRect().height < 24)
  .map((each) => each.outerHTML.slice(0, 90))"""
WRITTEN = """(() => {
  window.written = [];
  const draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
    window.written.push(text);
    return draw.call(this, text, ...place);
  };
})()"""


@pytest.fixture(scope="module")
def site(postgres_url: str) -> Iterator[Site]:
    with open_site(postgres_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def night(site: Site) -> tuple[str, list[tuple[int, int]]]:
    """Two transients of one stream, the newest last."""

    async def add(rows: Rows) -> list[tuple[int, int]]:
        await rows.connection.execute(
            "insert into ledger_total values ($1, 'processed', '', 8)", rows.stream
        )
        return [await add_transient(rows), await add_transient(rows, snr=8.0, kind="variable")]

    return site.write(add)


def text_of(site: Site, selector: str) -> str:
    return str(site.page.run(f"document.querySelector({selector!r})?.innerText ?? ''"))


def test_a_frozen_server_is_noticed(site: Site, night: tuple[str, list[object]]) -> None:
    page = site.open()
    for age in ("#image-age", "#alert-age"):
        page.wait_for(f"document.querySelector('{age}').innerText.includes('ago')")
    site.signal(signal.SIGSTOP)
    try:
        page.wait_for("document.querySelector('#connection.stale') !== null")
        page.wait_for("document.querySelector('main').classList.contains('out-of-date')")
        assert "what is shown here is of that time" in text_of(site, ".outdated")
        assert "ago" in text_of(site, "#image-age")
    finally:
        site.signal(signal.SIGCONT)
    page.wait_for("document.querySelector('#connection.live') !== null")
    page.wait_for("document.querySelector('.outdated') === null")


def test_the_page_comes_back_with_a_server_that_was_killed(site: Site) -> None:
    page = site.open()
    site.signal(signal.SIGKILL)
    page.wait_for("document.querySelector('#connection.unreachable') !== null")
    assert "unreachable" in text_of(site, ".outdated")
    site.start()
    page.wait_for("document.querySelector('#connection.live') !== null")


def test_the_address_is_the_state(site: Site, night: tuple[str, list[tuple[int, int]]]) -> None:
    stream, [(_, new), (_, variable)] = night
    rows = "[...document.querySelectorAll('[data-transient]')].map(r => +r.dataset.transient)"
    page = site.open(f"transients?stream={stream}")
    assert page.run(rows) == [variable, new]
    page.run(
        "(() => { const field = document.querySelector('[name=kind]'); field.value = 'new_source';"
        " field.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    page.wait_for(f"JSON.stringify({rows}) === '[{new}]'")
    assert "kind=new_source" in page.run("location.search")
    page.reload()
    page.wait_for(f"JSON.stringify({rows}) === '[{new}]'")
    assert page.run("document.querySelector('[name=kind]').value") == "new_source"
    page.run(f"document.querySelector('[data-transient=\"{new}\"] th a').click()")
    page.wait_for("location.pathname === '/source'")
    page.run("history.back()")
    page.wait_for("location.pathname === '/transients'")
    assert "kind=new_source" in page.run("location.search")
    page.run("history.back()")
    page.wait_for(f"JSON.stringify({rows}) === '[{variable},{new}]'")
    page = site.open(f"source?transient={variable}&stream={stream}&kind=new_source")
    page.wait_for("document.body.innerText.includes('does not pass the filters')")
    assert site.errors() == []


def test_the_columns_of_the_list_are_in_the_address(
    site: Site, night: tuple[str, list[tuple[int, int]]]
) -> None:
    stream, [_, (_, newest)] = night
    heads = "[...document.querySelectorAll('.transients thead th')].slice(1).map(e => e.innerText)"
    page = site.open(f"transients?stream={stream}&columns=trigger,snr")
    page.wait_for(f"{heads}.length === 3")
    assert page.run(heads) == ["position, ICRS", "S/N", "raised by"]
    page.run("document.querySelector('.columns summary').click()")
    page.run("document.querySelector('[name=column-trigger]').click()")
    page.wait_for(f"{heads}.length === 2")
    assert "columns=snr" in page.run("location.search")
    link = page.run("document.querySelector('.links a[href*=\"format=csv\"]').href")
    table = httpx.get(link, trust_env=False, timeout=60)
    assert table.text.splitlines()[0] == "id,source_id,ra,dec,snr"
    page.run(f"document.querySelector('[data-transient=\"{newest}\"] th a').click()")
    page.wait_for("document.querySelector('.source-head') !== null")
    page.run("document.querySelector('.steps a:last-child').click()")
    page.wait_for("location.pathname === '/transients'")
    assert "columns=snr" in page.run("location.search")
    page.run("history.go(-3)")
    page.wait_for(f"{heads}.length === 3")
    assert site.errors() == []


@pytest.mark.parametrize(
    ("path", "table", "first", "shown", "added", "fields"),
    [("images", "images", "image", "beam,rms", "telescope", "id,telescope"),
     ("alerts", "alerts", "position, ICRS", "family,snr", "state",
      "id,transient_id,ra,dec,state")],
)  # fmt: skip
def test_the_columns_of_images_and_alerts_are_in_the_address(
    site: Site, night: tuple[str, list[tuple[int, int]]],
    path: str, table: str, first: str, shown: str, added: str, fields: str,
) -> None:  # fmt: skip
    heads = f"[...document.querySelectorAll('table.{table} thead th')].map(e => e.innerText)"
    page = site.open(f"{path}?stream={night[0]}&columns={shown}")
    page.wait_for(f"{heads}[0] === '{first}'")
    n_heads = page.run(f"{heads}.length")
    for name in (*shown.split(","), added):  # the shown ones away, another one in
        page.run("document.querySelector('.columns').open = true")
        page.run(f"document.querySelector('[name=column-{name}]').click()")
        is_added = str(name == added).lower()
        page.wait_for(
            f"document.querySelector('[name=column-{name}]').checked === {is_added}"
            f" && location.search.includes('{name}') === {is_added}"
        )
    page.wait_for(f"{heads}.length === {n_heads - 1}")
    link = page.run("document.querySelector('.links a[href*=\"format=csv\"]').href")
    table_text = httpx.get(link, trust_env=False, timeout=60).text
    assert table_text.splitlines()[0] == fields
    page.reload()
    page.wait_for(f"{heads}.length === {n_heads - 1}")
    assert site.errors() == []


@pytest.mark.parametrize(
    ("path", "words"),
    [("source?id=999999999", "Not found"), ("source?transient=999999999", "Not found"),
     ("source?id=x", "Not found"), ("image?id=999999999", "Not found"),
     ("source", "Not found"), ("image?id=..%2Fstreams", "Not found")],
)  # fmt: skip
def test_what_is_not_there_is_said_in_the_page(site: Site, path: str, words: str) -> None:
    page = site.open(path)
    assert words in page.run("document.querySelector('main').innerText")


def test_a_transient_is_judged_by_keys_alone(
    site: Site, night: tuple[str, list[tuple[int, int]]]
) -> None:
    stream, [(_, first), (source, newest)] = night
    page = site.open(f"transients?stream={stream}")
    page.run(
        f"""sessionStorage.setItem('livetrap-token', '{{"token":"{TOKEN}","name":"anna"}}')"""
    )
    page = site.open(f"transients?stream={stream}")
    page.wait_for(f"document.querySelector('tr[data-transient=\"{newest}\"]') !== null")
    page.n_pressed = 0
    page.press("j")
    page.wait_for(f"document.activeElement.closest('tr')?.dataset.transient === '{newest}'")
    assert page.run("document.activeElement.matches(':focus-visible')")
    page.press("Enter")
    page.wait_for(f"location.search.startsWith('?transient={newest}')")
    page.wait_for("document.querySelector('.chart canvas') !== null")
    # Its flux is read without a key.
    assert "20 mJy/beam" in text_of(site, "[aria-label=Quantities]")
    page.press("1")
    page.wait_for(f"document.body.innerText.includes('Source {source}: transient.')")
    page.wait_for("document.querySelector('.said strong')?.textContent === 'transient'")
    page.press("u")
    page.wait_for("document.body.innerText.includes('transient taken back')")
    page.wait_for("document.querySelector('.said strong') === null")
    # A key acts when the list has told what is next.
    page.wait_for("document.querySelector('.steps').innerText.includes('next')")
    page.press("j")
    page.wait_for(f"location.search.startsWith('?transient={first}')")
    assert page.n_pressed <= MOST_KEYS
    assert site.errors() == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "new_source"}, ("new", "20 mJy/beam")),
        ({"kind": "variable", "eta": 41.0}, ("variable", "20 mJy/beam")),
        (
            {"kind": "vanished", "flux_peak_jy_beam": 1e-4, "flux_expected_jy_beam": 0.0212,
             "flux_expected_err_jy_beam": 0.00123},
            ("vanished", "100 \u00b5Jy/beam", "21.2 \u00b1 1.2 mJy/beam"),
        ),
        (
            {"kind": "moving", "rate_arcsec_s": 0.2, "direction_deg": 135.0},
            ("moving", "0.2\u2033/s, 135\u00b0"),
        ),
        (
            {"kind": "new_source", "state": "retracted", "retraction_reason": "a side lobe"},
            ("retracted", "Retracted: a side lobe"),
        ),
    ],
    ids=["new", "variable", "vanished", "moving", "retracted"],
)  # fmt: skip
def test_real_or_not_is_seen_without_scrolling(
    site: Site, values: dict[str, object], words: tuple[str, ...]
) -> None:
    async def add(rows: Rows) -> int:
        images = [await rows.image(step) for step in range(8)]
        source = await rows.source(10.0, 10.0, image=images[0], eta=30.0, v=0.5, n_datapoints=8)
        for number, image in enumerate(images):
            await rows.point(source, image, 0.01 * (1 + number % 3))
        transient = await rows.transient(source, image=images[4], **values)
        for role in ("before", "now"):
            await rows.stamp(transient, role, None, reason="image_gone")
        return transient

    _, transient = site.write(add)
    page = site.page
    page.set_size(1400, 950)
    try:
        site.open(f"source?transient={transient}")
        # Kind and verdict, what can be answered, pixels, light curve, and its numbers.
        for part in (
            ".source-head h2", ".classify", ".strip.four", ".source .strip:not(.four)",
            "[aria-label='Light curve'] canvas", "[aria-label=Quantities] dd",
        ):  # fmt: skip
            page.wait_for(f"document.querySelector({part!r}) !== null")
            box = f"document.querySelector({part!r}).getBoundingClientRect()"
            page.wait_for(f"{box}.top > 0 && {box}.bottom <= innerHeight")
        seen = page.run(
            "[...document.querySelectorAll('main *')].filter(each => !each.children.length"
            " && each.getBoundingClientRect().bottom <= innerHeight)"
            ".map(each => each.textContent).join('\\n')"
        )
        text = f"{text_of(site, '.source-head')}\n{seen}"
        assert [each for each in words if each not in text] == []
        assert page.run("scrollY") == 0
        assert site.errors() == []
    finally:
        page.set_size(1400, 900)


def test_without_a_token_classifying_asks_for_one(
    site: Site, night: tuple[str, list[tuple[int, int]]]
) -> None:
    page = site.open(f"source?transient={night[1][0][1]}")
    page.run("sessionStorage.clear()")
    page = site.open(f"source?transient={night[1][0][1]}")
    page.wait_for("document.querySelector('.classify') !== null")
    page.press("4")
    page.wait_for("document.querySelector('.token input[type=password]') !== null")
    assert "scope annotate" in text_of(site, ".work")


def test_every_mark_is_read_by_keys_and_in_a_table(
    site: Site, night: tuple[str, list[tuple[int, int]]]
) -> None:
    page = site.open(f"source?transient={night[1][1][1]}&limits=0")
    page.wait_for("document.querySelector('.chart canvas')?.ariaLabel.includes('8 measure')")
    page.run("document.querySelector('.chart canvas').focus()")
    said = "document.querySelector('.chart [aria-live]').textContent"
    page.press("End")
    page.wait_for(f"{said}.includes('\u22121.5 ± 1.0 mJy') && {said}.includes('forced')")
    page.run("document.querySelector('.chart-foot summary').click()")
    page.wait_for("document.querySelectorAll('.chart-foot tbody tr').length === 8")
    table = page.run("document.querySelector('.chart-foot tbody').innerText")
    assert "\u22121.5 ± 1.0 mJy" in table
    assert " -1" not in table


def test_axes_have_a_minus_and_are_drawn_when_something_changed(
    site: Site, night: tuple[str, list[tuple[int, int]]]
) -> None:
    made = site.page.call("Page.addScriptToEvaluateOnNewDocument", source=WRITTEN)
    page = site.open(f"sky?stream={night[0]}")
    page.wait_for("window.written.some(text => /^\\u2212[0-9]/.test(text))")
    drawn = "[...document.querySelectorAll('.chart canvas')].filter(each => each.width !== 300)"
    page.wait_for(f"{drawn}.length === document.querySelectorAll('.chart canvas').length")
    assert page.run("window.written.filter(text => /^-/.test(text))") == []
    n_written = page.run("window.written.length")
    beats = "performance.getEntriesByType('resource').filter(e => /images/.test(e.name)).length"
    n_loaded = page.run(beats)
    page.wait_for(f"{beats} > {n_loaded}")
    page.run("new Promise(done => setTimeout(() => requestAnimationFrame(done), 0))")
    assert page.run("window.written.length") <= 2 * n_written
    page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])


def test_the_first_load_asks_for_little(
    site: Site, night: tuple[str, list[tuple[int, int]]]
) -> None:
    page = site.open(f"source?transient={night[1][0][1]}")
    page.wait_for("document.querySelector('.chart canvas') !== null")
    # The icon is asked for when the browser does not know it yet.
    asked = [
        each.split("/", 3)[3] for each in page.requests
        if "/cutout" not in each and not each.endswith("/web/icon.svg")
    ]  # fmt: skip
    assert len(asked) <= 17
    curves = [each for each in asked if "lightcurve" in each]
    assert len(curves) == len(set(curves)) == 1


def test_pages_are_legible_and_fit_every_width(
    site: Site, night: tuple[str, list[tuple[int, int]]]
) -> None:
    page = site.page
    try:
        for path in PAGES[:-1]:
            page.set_dark(dark=False)
            site.open(path.format(night[1][0][1]))
            # 640: a window of 1280 at a zoom of 200 %.
            for width in (390, 640, 768, 2560, 1400):
                page.set_size(width, 900)
                assert page.run("document.documentElement.scrollWidth <= innerWidth"), (
                    path,
                    width,
                )
                assert page.run(SMALL) == [], (path, width)
            for dark in (False, True):
                page.set_dark(dark=dark)
                assert page.run(CONTRAST) == [], (path, dark)
                if AXE.exists():
                    assert_accessible(site, path)
            assert site.errors() == [], path
    finally:
        page.set_dark(dark=False)
        page.set_size(1400, 900)


def assert_accessible(site: Site, path: str) -> None:
    """Ask axe-core, where `npm ci` has installed it."""
    site.page.run(AXE.read_text() + ";0")
    found = site.page.run(
        "axe.run().then(result => result.violations"
        ".filter(each => ['serious', 'critical'].includes(each.impact))"
        ".map(each => each.id + ': ' + each.nodes.map(node => node.html.slice(0, 120)).join(' ')))"
    )
    assert found == [], path
