"""Pictures of every page, and whether two of them show the same."""

import base64
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.support.browser import Page
from tests.support.page_night import NOW

__all__ = [
    "PAGES",
    "VIEWS",
    "View",
    "assert_as_its_picture",
    "assert_same",
    "look",
    "standing_page",
    "take",
]

IS_WANTED = bool(os.environ.get("UPDATE_PICTURES"))
PICTURES = Path("docs/images/pages")
MADE_BY = PICTURES / "made_by.json"
# Of the blocks: letters are drawn otherwise elsewhere, a part of the page that moved is more.
MOST_DIFFERING = 0.02
# What is in the window has come: pixels, light curves of rows, overlays of images.
_IS_WHOLE = """(() => {
  const seen = (what) => [...document.querySelectorAll(what)].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  });
  return document.querySelector('[aria-busy]') === null
    && seen('img').every((each) => each.complete && each.naturalWidth > 0)
    && seen('span.stamp, .stamp.waiting, .stamp.loading').length === 0
    && seen('.spark').every((each) => each.ariaLabel !== 'No measurement')
    && seen('.picture').every((each) => each.querySelector('canvas') !== null)
    && seen('.chart canvas').every((each) => each.width !== 300);
})()"""
PAGES = {
    "now": "", "transients": "transients", "source": "source?transient=2", "eta-v": "eta-v",
    "images": "images", "image": "image?id={image}", "streams": "streams", "rules": "rules",
    "alerts": "alerts?id=2", "system": "system", "quality": "quality", "sky": "sky",
}  # fmt: skip
# Of a block's mean, from 0 to 255: what another rasterisation of the same letters leaves.
_BLOCK_PX = 24
_BLOCK_TOLERANCE = 14
_PLAIN = 24  # less between the darkest and the brightest pixel: ground
_QUALITY = 55

# Time stands still for the page, and its letters are the same on every machine.
_STANDING = """(() => {
  const now = %(now_ms)d;
  const RealDate = Date;
  window.Date = class extends RealDate {
    constructor(...given) { super(...(given.length ? given : [now])); }
    static now() { return now; }
  };
  performance.now = () => window.elapsedMs ?? 0;
  const RealEventSource = window.EventSource;
  // What the server says comes when it says it, with the time of the standing clock.
  window.EventSource = class extends RealEventSource {
    constructor(...given) {
      super(...given);
      super.addEventListener('open', () => this.dispatchEvent(new MessageEvent('heartbeat')));
    }
    addEventListener(kind, listener) {
      super.addEventListener(kind, kind !== 'heartbeat' ? listener : (event) => {
        window.heardMs = performance.now();
        listener(new MessageEvent(kind, {lastEventId: event.lastEventId, data: JSON.stringify(
          {time: new RealDate(now).toISOString(), last_image_age_s: 2})}));
      });
    }
  };
  const bytes = Uint8Array.from(atob('%(font)s'), (each) => each.charCodeAt(0));
  const face = new FontFace('Standing', bytes);
  document.fonts.add(face);
  face.load();
  document.addEventListener('readystatechange', () => {
    document.documentElement.style.fontFamily = 'Standing';
  });
})()"""


@dataclass(frozen=True, slots=True)
class View:
    """How a page is looked at.

    Parameters
    ----------
    width, height : int
        Of the window [px].
    dark : bool
        Whether the reader prefers dark colours.
    """

    width: int
    height: int
    dark: bool

    @property
    def name(self) -> str:
        """Width and scheme, for the name of a file."""
        return f"{self.width}-{'dark' if self.dark else 'light'}"


VIEWS = tuple(
    View(width, height, dark)
    for width, height in ((1400, 950), (390, 844))
    for dark in (False, True)
)


@contextmanager
def standing_page(page: Page) -> Iterator[None]:
    """Let the clock of a tab stand at `NOW`, with letters of matplotlib's DejaVu Sans."""
    import matplotlib as mpl  # every process of a test run would take a quarter of a second

    font = Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf").read_bytes()
    script = _STANDING % {
        "now_ms": int(NOW.timestamp() * 1000),
        "font": base64.b64encode(font).decode(),
    }
    made = page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
    try:
        yield
    finally:
        page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])
        page.call("Emulation.setEmulatedMedia", features=[])
        page.set_size(1400, 900)


def look(page: Page, view: View) -> None:
    """Set the window and the wishes of a reader, who wants no motion."""
    page.set_size(view.width, view.height)
    page.call(
        "Emulation.setEmulatedMedia",
        features=[
            {"name": "prefers-color-scheme", "value": "dark" if view.dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ],
    )


def take(page: Page) -> bytes:
    """Return the window as WebP, when all of it is drawn."""
    page.wait_for(_IS_WHOLE)
    page.run(
        "document.fonts.ready.then(() => new Promise(done =>"
        " requestAnimationFrame(() => requestAnimationFrame(done))))"
    )
    found = page.call("Page.captureScreenshot", format="webp", quality=_QUALITY)
    return base64.b64decode(found["data"])


def assert_as_its_picture(page: Page, name: str, found: bytes) -> None:
    """Compare with the picture of that name, of the same Chromium; or write it, where wanted."""
    version = int(page.call("Browser.getVersion")["product"].split("/")[1].split(".")[0])
    file = PICTURES / f"{name}.webp"
    if IS_WANTED:
        PICTURES.mkdir(exist_ok=True)
        file.write_bytes(found)
        MADE_BY.write_text(json.dumps({"chromium": version}) + "\n")
    elif json.loads(MADE_BY.read_text())["chromium"] != version:
        pytest.skip(f"pictures are of another Chromium than {version}: make pictures")
    assert_same(found, file.read_bytes())


def assert_same(first: bytes, second: bytes) -> None:
    """Check that two pictures show the same."""
    assert _differing_part(first, second) <= MOST_DIFFERING


def _blocks(picture: bytes) -> npt.NDArray[np.float64]:
    """Return the grey pixels of each block, (rows, columns, pixels)."""
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), float)
    rows, columns = (side // _BLOCK_PX for side in grey.shape)
    cut = grey[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    parts = cut.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX).swapaxes(1, 2)
    return parts.reshape(rows, columns, _BLOCK_PX**2)


def _differing_part(first: bytes, second: bytes) -> float:
    """Return which part of the blocks that show something differs; 1 for another size."""
    ours, theirs = _blocks(first), _blocks(second)
    if ours.shape != theirs.shape:
        return 1.0
    is_plain = (np.ptp(ours, axis=2) < _PLAIN) & (np.ptp(theirs, axis=2) < _PLAIN)
    is_other = np.abs(ours.mean(axis=2) - theirs.mean(axis=2)) > _BLOCK_TOLERANCE
    return float(is_other.sum() / max(1, (~is_plain | is_other).sum()))
