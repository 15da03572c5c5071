"""Several sources at once: lasso, classify, tag, take back; figures for a paper."""

import base64
import io
import re
import zlib
from collections.abc import Iterator

import httpx
import pytest
from fontTools.ttLib import TTFont

from tests.support.api_rows import Rows
from tests.support.browser import CHROMIUM, Page
from tests.support.page_site import TOKEN, Site, open_site

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

BURST_ETA, BURST_V = 400.0, 2.5
SAVED = """(() => {
  window.saved = [];
  URL.createObjectURL = (blob) => { window.saved.push(blob); return 'data:,'; };
  HTMLAnchorElement.prototype.click = function () { window.savedName = this.download; };
})()"""


@pytest.fixture(scope="module")
def site(postgres_url: str) -> Iterator[Site]:
    with open_site(postgres_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def plane(site: Site) -> tuple[str, list[int], list[int]]:
    """A stream with steady sources and with two that vary, apart in the plane."""

    async def add(rows: Rows) -> tuple[list[int], list[int]]:
        image = await rows.image(0)
        steady = [
            await rows.source(9.0 + n, 10.0, image=image, eta=1 + n / 10, v=0.05, n_datapoints=9)
            for n in range(8)
        ]
        bursts = [
            await rows.source(
                20.0 + n, 10.0, image=image, eta=BURST_ETA + n, v=BURST_V, is_variable=True,
                n_datapoints=9,
            )
            for n in range(2)
        ]  # fmt: skip
        await rows.copy_statistics()
        return steady, bursts

    stream, (steady, bursts) = site.write(add)
    return stream, steady, bursts


def open_plane(site: Site, stream: str) -> Page:
    """Open the plane with a token in the tab."""
    site.open(f"eta-v?stream={stream}").run(
        f"""sessionStorage.setItem('livetrap-token', '{{"token":"{TOKEN}","name":"anna"}}')"""
    )
    page = site.open(f"eta-v?stream={stream}")
    page.wait_for("document.querySelector('.chart canvas')?.ariaLabel.includes('10 sources')")
    return page


def draw(page: Page, corners: list[tuple[float, float]]) -> None:
    """Draw a lasso by the mouse; corners are parts of the chart's width and height."""
    box = page.run("(({x, y, width, height}) => [x, y, width, height])"
                   "(document.querySelector('.lasso').getBoundingClientRect())")  # fmt: skip
    places = [(box[0] + x * box[2], box[1] + y * box[3]) for x, y in corners]
    kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 1), "mouseReleased"]
    for kind, (x, y) in zip(kinds, [*places, places[-1]], strict=True):
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1,
                  clickCount=1)  # fmt: skip


def annotations(site: Site, source: int) -> tuple[list[str], list[str]]:
    said = httpx.get(
        f"{site.address}/api/v1/sources/{source}/annotations", trust_env=False, timeout=60
    ).json()
    return (
        [each["classification"] for each in said["classifications"]],
        [each["tag"] for each in said["tags"]],
    )


def test_a_lasso_chooses_sources_that_are_tagged_classified_and_taken_back(
    site: Site, plane: tuple[str, list[int], list[int]]
) -> None:
    stream, _, bursts = plane
    httpx.post(
        f"{site.address}/api/v1/sources/{bursts[0]}/tags", json={"tag": "known"}, trust_env=False,
        headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60,
    ).raise_for_status()  # fmt: skip
    page = open_plane(site, stream)
    page.run("document.querySelector('[aria-pressed]').click()")
    page.wait_for("document.querySelector('.lasso') !== null")
    page.run("document.querySelector('.chart').scrollIntoView({block: 'center'})")
    draw(page, [(0.6, 0.02), (0.99, 0.02), (0.99, 0.5), (0.6, 0.5)])
    page.wait_for("document.querySelector('.selection strong').textContent === '2 selected'")
    links = "document.querySelectorAll('[aria-label=Selection] tbody a')"
    rows = f"[...{links}].map(each => +each.innerText)"
    assert page.run(rows) == bursts
    page.press("1")
    page.wait_for("document.body.innerText.includes('2 sources: transient.')")
    assert [annotations(site, each)[0] for each in bursts] == [["transient"]] * 2
    page.run("document.querySelector('.selection input').focus()")
    page.call("Input.insertText", text="known")
    page.press("Enter")
    page.wait_for("document.body.innerText.includes('2 sources: tag known.')")
    assert [annotations(site, each)[1] for each in bursts] == [["known"]] * 2
    page.run("document.activeElement.blur()")
    page.press("u")
    page.wait_for("document.body.innerText.includes('tag known taken back')")
    assert [annotations(site, each)[1] for each in bursts] == [["known"], []]
    page.press("u")
    page.wait_for("document.body.innerText.includes('transient taken back from 2 sources')")
    assert [annotations(site, each)[0] for each in bursts] == [[], []]
    page.press("Escape")
    page.wait_for("document.querySelector('.selection strong').textContent === '0 selected'")
    assert site.errors() == []


def test_sources_are_chosen_by_keys_and_saved_with_what_they_are(
    site: Site, plane: tuple[str, list[int], list[int]]
) -> None:
    stream, steady, _ = plane
    page = open_plane(site, stream)
    page.run(SAVED)
    page.run("document.querySelector('.chart canvas').focus()")
    said = "document.querySelector('.chart [aria-live]').textContent"
    page.press("Home")
    page.wait_for(f"{said}.includes('source {steady[0]},')")
    page.press(" ")
    page.wait_for(f"{said}.includes('selected')")
    page.run(
        "[...document.querySelectorAll('button')].find(b => b.innerText === 'Save as CSV').click()"
    )
    text = page.run("window.saved[0].text()")
    assert f"eta-v?stream={stream}" in text.splitlines()[0]
    assert text.splitlines()[-1] == f"{steady[0]},9,10,1,0.05,9,false,false"
    page.run(
        "[...document.querySelectorAll('button')].find(b => /Select these/.test(b.innerText))"
        ".click()"
    )
    page.wait_for("document.querySelector('.selection strong').textContent === '2 selected'")
    rule = page.run("document.querySelector('a[href^=\"rules?\"]').href")
    assert "rule=eta+%3E+" in rule
    assert site.errors() == []


def test_a_chart_is_saved_as_a_pdf_that_readers_open(
    site: Site, plane: tuple[str, list[int], list[int]]
) -> None:
    page = open_plane(site, plane[0])
    page.run(SAVED)
    page.run("[...document.querySelectorAll('.chart-foot button')]"
             ".find(each => each.innerText === 'PDF').click()")  # fmt: skip
    page.wait_for("window.saved.length === 1")
    data = base64.b64decode(
        page.run(
            "window.saved[0].arrayBuffer().then(b =>"
            " btoa(String.fromCharCode(...new Uint8Array(b))))"
        )
    )
    assert page.run("window.savedName") == "livetrap-eta-v.pdf"
    assert_is_pdf(data)
    # Eight steady sources and two that vary, and a mark of each in the legend.
    assert data.count(b" l S\n/A100 gs [] 0 d") >= 7
    assert f"eta-v?stream={plane[0]}".encode("utf-16-be").hex().encode() in data
    assert site.errors() == []


def assert_is_pdf(data: bytes) -> None:
    """Check that every object begins where the table of a PDF says, and that its font is in it."""
    assert data.startswith(b"%PDF-1.7\n")
    assert data.isascii()
    table = int(re.findall(rb"startxref\n(\d+)\n%%EOF\n$", data)[0])
    assert data[table:].startswith(b"xref\n")
    places = [int(each) for each in re.findall(rb"(\d{10}) 00000 n", data[table:])]
    for number, place in enumerate(places, start=1):
        assert data[place:].startswith(b"%d 0 obj\n" % number)
    streams = re.findall(rb"/Length (\d+)[^\n]*>>\nstream\n(.*?)\nendstream", data, re.DOTALL)
    for length, content in streams:
        assert int(length) == len(content)
    drawing, font, characters = (content for _, content in streams)
    assert drawing.count(b"BT ") == drawing.count(b" ET") > 5
    assert_shows_text(drawing, font, characters)


def assert_shows_text(drawing: bytes, font: bytes, characters: bytes) -> None:
    """Check that the glyphs that are drawn are in the font, and are the characters they say."""
    read = TTFont(io.BytesIO(zlib.decompress(bytes.fromhex(font.decode().rstrip(">")))))
    names = {read.getGlyphID(name): chr(code) for code, name in read.getBestCmap().items()}
    said = {
        int(glyph, 16): chr(int(code, 16))
        for glyph, code in re.findall(rb"<(\w{4})> <(\w{4})>", characters.split(b"bfchar", 1)[1])
    }
    texts = [
        "".join(names[int(text[at : at + 4], 16)] for at in range(0, len(text), 4))
        for text in re.findall(rb"<(\w+)> Tj", drawing)
    ]
    drawn = set("".join(texts))
    assert drawn == set(said.values())
    assert all(names[glyph] == character for glyph, character in said.items())
    assert any("\u03b7" in text for text in texts)
    assert "?" not in drawn


def test_a_figure_as_svg_has_its_font_too(
    site: Site, plane: tuple[str, list[int], list[int]]
) -> None:
    page = open_plane(site, plane[0])
    page.run(SAVED)
    page.run("[...document.querySelectorAll('.chart-foot button')]"
             ".find(each => each.innerText === 'SVG').click()")  # fmt: skip
    page.wait_for("window.saved.length === 1")
    text = str(page.run("window.saved[0].text()"))
    font = re.findall(r"src:url\(data:font/ttf;base64,([^)]+)\)", text)
    assert "\u03b7" in "".join(
        map(chr, TTFont(io.BytesIO(base64.b64decode(font[0]))).getBestCmap())
    )
    assert "https://" not in text
    assert site.errors() == []
