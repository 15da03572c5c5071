"""A stamp as the bytes of a FITS file: one tile, Rice-coded, the source's place in the header."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from services.extract.kernels.rice import encode_rice
from sky.cutout import Cutout

__all__ = ["to_stamp_file"]

FloatImage = npt.NDArray[np.float32]
_BLOCK = 2880
_CARD = 80
# Steps in the noise of a stamp: the error of a pixel is 0.04 of it, and at most 0.06.
_STEPS_IN_NOISE = 8
_STEPS_IN_RANGE = 4096
_MOST_STEPS = 1 << 30
_RICE_BLOCK = 32
_MAD_TO_SIGMA = 1.4826
_PLACED = ("CRPIX1", "CRPIX2")
_PRIMARY: dict[str, str | float] = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True}


def to_stamp_file(cutout: Cutout, cards: Mapping[str, str | float]) -> bytes:
    """Return a FITS file with a tile-compressed image; the same input gives the same bytes.

    Parameters
    ----------
    cutout : Cutout
        Pixels, at least one of them not blank, and their place.
    cards : mapping
        Further cards of the image by keyword: text of at most 68 characters, or finite numbers.

    References
    ----------
    FITS 4.0, section 10; Pence, White & Seaman (2010), PASP 122, 1065.
    """
    step = _find_step(cutout.pixels)
    blank = np.isnan(cutout.pixels)
    steps = np.rint(np.where(blank, 0.0, cutout.pixels.astype(np.float64)) / step)
    # Beside the others: a jump to a far number costs four bytes each for 32 pixels.
    blank_step = int(steps.min()) - 1
    steps[blank] = blank_step
    values = np.ascontiguousarray(steps.astype(np.int32).ravel())
    coded = np.zeros(8 * values.size + 16, np.uint8)
    n_bytes = int(encode_rice(values, _RICE_BLOCK, coded))
    row = np.array([n_bytes, 0], ">i4").tobytes() + np.array([step, 0.0], ">f8").tobytes()
    rows, columns = cutout.pixels.shape
    header = [
        *_layout(rows, columns, n_bytes=n_bytes, blank_step=blank_step),
        *_wcs_cards(cutout),
        *_cards(cards),
    ]
    data = row + coded[:n_bytes].tobytes()
    return _header(_cards(_PRIMARY)) + _header(header) + data + bytes(-len(data) % _BLOCK)


def _find_step(pixels: FloatImage) -> float:
    """Return how far apart two values of a stamp are [Jy/beam]."""
    finite = pixels[np.isfinite(pixels)].astype(np.float64)
    noise = _MAD_TO_SIGMA * float(np.median(np.abs(finite - np.median(finite))))
    largest = float(np.abs(finite).max())
    extent = float(finite.max() - finite.min())
    step = noise / _STEPS_IN_NOISE or extent / _STEPS_IN_RANGE or largest / _STEPS_IN_RANGE
    return max(step, largest / _MOST_STEPS) or 1.0


def _layout(rows: int, columns: int, *, n_bytes: int, blank_step: int) -> list[str]:
    """Return the cards of a table with one row: one tile, its step and its zero."""
    values: dict[str, str | float] = {
        "XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": 24, "NAXIS2": 1,
        "PCOUNT": n_bytes, "GCOUNT": 1, "TFIELDS": 3,
        "TTYPE1": "COMPRESSED_DATA", "TFORM1": f"1PB({n_bytes})",
        "TTYPE2": "ZSCALE", "TFORM2": "1D", "TTYPE3": "ZZERO", "TFORM3": "1D",
        "ZIMAGE": True, "ZBITPIX": -32, "ZNAXIS": 2, "ZNAXIS1": columns, "ZNAXIS2": rows,
        "ZTILE1": columns, "ZTILE2": rows, "ZCMPTYPE": "RICE_1",
        "ZNAME1": "BLOCKSIZE", "ZVAL1": _RICE_BLOCK, "ZNAME2": "BYTEPIX", "ZVAL2": 4,
        "ZQUANTIZ": "NO_DITHER", "ZBLANK": blank_step, "BUNIT": "Jy/beam",
    }  # fmt: skip
    return _cards(values)


def _wcs_cards(cutout: Cutout) -> list[str]:
    """Return the cards of the image's coordinates, counted from the corner of the stamp."""
    found = {}
    for line in cutout.wcs_header.split("\n"):
        name = line[:8].strip()
        if not name.startswith("NAXIS"):
            found[name] = line.ljust(_CARD)
    for name, corner in zip(_PLACED, (cutout.x_px, cutout.y_px), strict=True):
        found[name] = _card(name, float(found[name][10:].split("/")[0]) - corner)
    return list(found.values())


def _cards(values: Mapping[str, str | float]) -> list[str]:
    return [_card(name, value) for name, value in values.items()]


def _card(name: str, value: str | float) -> str:
    """Return a card of 80 characters."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        quoted = value.replace("'", "''")
        text = f"'{quoted:<8}'"
    elif isinstance(value, int):
        text = f"{value:>20d}"
    else:
        text = f"{_number(value):>20}"
    return f"{name:<8}= {text}".ljust(_CARD)


def _number(value: float) -> str:
    """Return a number as FITS writes it: no digit is lost."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot stand in a FITS header")
    return repr(float(value)).upper()


def _header(cards: Sequence[str]) -> bytes:
    text = "".join(cards) + "END".ljust(_CARD)
    return text.encode("ascii") + b" " * (-len(text) % _BLOCK)
