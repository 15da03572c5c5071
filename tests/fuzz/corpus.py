"""Every kind of image that was found to end a service or to be misread, as a small generator.

A case is the image of `tests.support.mutants.good_image` with some cards set, some pixels
changed or something done to its bytes; beside it is the reason that it must be rejected with
(empty: it is measured).
"""

import bz2
import gzip
from collections.abc import Callable, Iterator

import numpy as np

from tests.support.kafka_messages import Headers
from tests.support.mutants import good_image, set_card

__all__ = ["CASES", "Case"]

# Name, bytes, key, headers, reason.
Case = tuple[str, bytes, bytes | None, Headers, str]
_KEY = b"fuzz:150"
_CARDS = [
    ("EXPTIME", "10,0", ""),  # optional, so it counts as absent
    ("EXPTIME", "1E30", "bad_date"),
    ("EXPTIME", "-1.0", "bad_date"),
    ("CRVAL1", "12h30m", "bad_header"),
    ("CRVAL1", "NaN", "bad_header"),
    ("CRVAL1", "", "bad_header"),
    ("CDELT1", "0.0", "no_wcs"),
    ("BMAJ", "'wide'", "bad_header"),
    ("BMAJ", "1E999", "bad_header"),
    ("BUNIT", "'counts'", "bad_unit"),
    ("BUNIT", "'mJy/beam'", ""),
    ("DATE-OBS", "'2024-03-05'", "bad_date"),
    ("DATE-OBS", "'2099-01-01T00:00:00'", "bad_date"),
    ("DATE-OBS", "'0001-01-01T00:00:00'", "bad_date"),
    ("DATE-OBS", "'9999-12-31T23:59:59'", "bad_date"),
    ("TIMESYS", "'MARTIAN'", "bad_date"),
    ("CTYPE4", "'STOKES'", ""),
    ("CRVAL4", "-99.0", "bad_stokes"),
    ("CUNIT3", "'furlong'", "bad_header"),
    ("NAXIS1", "2147483648", "bad_header"),
    ("NAXIS1", "0", "zero_size"),
    ("NAXIS2", "1", "not_2d"),
    ("BITPIX", "7", "bad_header"),
    ("TELESCOP", "'a' / \x00", ""),
    ("DATE-END", "'2024-03-05'", ""),  # optional, and no time of day
    ("MJD-END", "1.0E30", ""),
    ("RESTWAV", "1.0E-320", "bad_header"),
    ("EQUINOX", "'J2000.0'", ""),
    ("RADESYS", "'icrs'", ""),
    ("CDELT3", "0.0", ""),
    ("BUNIT", "'10**(-3) Jy/beam'", ""),
    ("BSCALE", "1.0E-13", ""),  # the errors of its fluxes were refused as impossible
]
_PIXELS = [(1e22, "diverged"), (np.inf, "infinite_pixels"), (3.4e38, "diverged")]


def _of_cards() -> Iterator[Case]:
    for name, text, reason in _CARDS:
        yield f"{name}={text}", set_card(good_image(), name, text), _KEY, [], reason


def _of_pixels() -> Iterator[Case]:
    for value, reason in _PIXELS:
        data = bytearray(good_image())
        data[2880 + 4 * 4000 : 2880 + 4 * 4001] = np.array(value, ">f4").tobytes()
        yield f"one pixel {value}", bytes(data), _KEY, [], reason


def _of_bytes() -> Iterator[Case]:
    good = good_image()
    end = good.index(b"END     ")

    def twice(card: bytes) -> bytes:
        return good[:end] + card.ljust(80) + b"END".ljust(80) + good[end + 160 :]

    cases: list[tuple[str, Callable[[], bytes], str]] = [
        ("two reference positions", lambda: twice(b"CRVAL1  = 11.0"), "bad_header"),
        ("two beams", lambda: twice(b"BMAJ    = 0.06"), "bad_header"),
        ("a second position that is none", lambda: twice(b"CRVAL1  = 1,5"), "bad_header"),
        ("a HIERARCH beam", lambda: twice(b"HIERARCH BMAJ = 1_000"), "bad_header"),
        ("two exposures", lambda: twice(b"EXPTIME = 11.0"), ""),
        ("one position twice", lambda: twice(b"CRVAL1  = 1.0E1"), ""),
        ("nothing", lambda: b"", "not_fits"),
        ("half a header", lambda: good[:1500], "truncated"),
        ("no END", lambda: good.replace(b"END     ", b"HISTORY ", 1)[:2880], "truncated"),
        ("half the pixels", lambda: good[:-10_000], "truncated"),
        ("gzip", lambda: gzip.compress(good), ""),
        ("gzip, cut", lambda: gzip.compress(good)[:9000], "truncated"),
        ("gzip bomb", lambda: 100 * gzip.compress(bytes(1_000_000)), "too_large"),
        ("bzip2 bomb", lambda: 100 * bz2.compress(bytes(1_000_000)), "too_large"),
    ]
    for name, make, reason in cases:
        yield name, make(), _KEY, [], reason


def _of_messages() -> Iterator[Case]:
    good = good_image()
    headers: list[tuple[str, Headers]] = [
        ("t-sent in the year 1", [("t-sent", b"0001-01-01T00:00:00+14:00")]),
        ("t-sent is binary", [("t-sent", b"\xff\xfe")]),
        ("a NUL in the stream", [("stream", b"a\x00b")]),
        ("a long image-id", [("image-id", b"x" * 10_000)]),
        ("a header of 1 MB", [("large", bytes(1 << 20))]),
        ("a header twice, and null", [("stream", b"a"), ("stream", b"b"), ("n", None)]),
        ("a header name that is no text", UnicodeDecodeError("utf-8", b"\xff", 0, 1, "start")),
    ]
    for name, each in headers:
        yield name, good, _KEY, each, ""
    for name, key in (
        ("no key", None),
        ("a binary key", b"\xff\x00\xfe"),
        ("a long key", b"k" * 10_000),
    ):
        yield name, good, key, [], ""


CASES: list[Case] = [*_of_cards(), *_of_pixels(), *_of_bytes(), *_of_messages()]
