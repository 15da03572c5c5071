"""Images as no telescope should send them: a good one, damaged by a rule that a number chooses.

`image_mutant(seed, number)` gives the same message for the same numbers, on every machine.
Every third one has a key and headers that no client library would write, too.
"""

import gzip
import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from astropy.io import fits

from runtime.kafka import InMessage
from tests.support.fits_images import CARDS
from tests.support.kafka_messages import Headers, hostile_headers, hostile_key, received

__all__ = ["Mutant", "good_image", "image_mutant", "set_card", "wire_mutant"]

Mutant = tuple[str, InMessage]
_CARD = 80
_RULES: list[Callable[[np.random.Generator, bytes], tuple[str, bytes, bytes, dict[str, str]]]] = []
_KEY = b"fuzz:150"

_TEXTS = (
    "", " ", "T", "F", "nan", "-nan", "inf", "-inf", "1e999", "-1e999", "1D400", "0", "-0.0", "-1",
    "1e-320", "10,0", "0x10", "1.5.2", "'", "''", "'a", "'\"", "/ only a comment", "= 5", "1 2",
    "1e38", "1e300", "99999999999999999999", "2147483648", "-32768", "3.5", "'3.5'", "'ten'", "()",
    "(1.0, 2.0)", "UNDEFINED", "\t1", "1\x00", "\x7f", "'RA---XXX'", "'FREQ'", "'STOKES'", "'deg'",
    "'2024-03-05'", "'2024-03-05T06:07:08.5'", "'0001-01-01T00:00:00'", "'9999-12-31T23:59:59'",
    "'31/12/99'", "'TAI'", "'LOCAL'", "'K'", "'mJy/beam'", "'counts'", "1.4E9", "150", "90",
    "360.5",
)  # fmt: skip
_CARDS = (
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS4", "EXTEND", "BSCALE",
    "BZERO", "BLANK", "BUNIT", "BMAJ", "BMIN", "BPA", "CTYPE1", "CTYPE2", "CTYPE3", "CTYPE4",
    "CRVAL1", "CRVAL2", "CRVAL3", "CRVAL4", "CRPIX1", "CRPIX2", "CRPIX3", "CRPIX4", "CDELT1",
    "CDELT2", "CDELT3", "CDELT4", "CUNIT1", "CUNIT2", "CUNIT3", "CROTA2", "PC1_1", "PC1_2",
    "PC001001", "CD1_1", "PV2_1", "PV1_0", "LONPOLE", "LATPOLE", "RADESYS", "EQUINOX", "EPOCH",
    "RESTFRQ", "RESTBW", "RESTWAV", "VELREF", "DATE-OBS", "DATE-BEG", "DATE-AVG", "DATE-END",
    "MJD-OBS", "MJD-BEG", "TIME-OBS", "TIMESYS", "EXPTIME", "TAU_TIME", "TELESCOP", "OBJECT",
    "CASAMBM", "A_ORDER", "A_2_0", "B_ORDER", "WCSAXES", "HISTORY", "COMMENT", "CONTINUE",
    "ZIMAGE", "XTENSION", "INHERIT", "PCOUNT", "GCOUNT", "LTM1_1", "CPDIS1", "END",
)  # fmt: skip


@lru_cache(maxsize=1)
def good_image() -> bytes:
    """Return an image with noise, three sources and the cards of a radio image."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:96, :96].astype(float)
    white = np.fft.rfft2(rng.normal(size=(96, 96)))
    beam = np.exp(-(((x - 48) / 2.1) ** 2 + ((y - 48) / 1.7) ** 2) / 2)
    noise = np.fft.irfft2(white * np.fft.rfft2(np.fft.ifftshift(beam)), s=(96, 96))
    pixels = noise / noise.std() * 1e-3
    for x0, y0, flux in ((30.2, 40.7, 0.1), (70.0, 25.5, 0.03), (50.5, 72.0, 0.5)):
        pixels += flux * np.exp(-(((x - x0) / 2.1) ** 2 + ((y - y0) / 1.7) ** 2) / 2)
    hdu = fits.PrimaryHDU(pixels.astype("f4")[None, None])
    axes = {
        "CTYPE3": "FREQ", "CRVAL3": 1.5e8, "CRPIX3": 1.0, "CDELT3": 2e6, "CUNIT3": "Hz",
        "CTYPE4": "STOKES", "CRVAL4": 1.0, "CRPIX4": 1.0, "CDELT4": 1.0, "BUNIT": "Jy/beam",
        "EXPTIME": 10.0, "TELESCOP": "FUZZ", "RADESYS": "FK5", "EQUINOX": 2000.0,
        "DATE-OBS": "2024-03-05T06:07:08.5", "CDELT1": -0.01, "CDELT2": 0.01, "BMAJ": 0.049,
        "BMIN": 0.04, "BPA": 0.0, "CRPIX1": 48.0, "CRPIX2": 48.0,
    }  # fmt: skip
    for name, value in (CARDS | axes).items():
        hdu.header[name] = value
    del hdu.header["RESTFRQ"]
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return buffer.getvalue()


def image_mutant(seed: int, number: int) -> Mutant:
    """Return the name of a rule and the message of images-v1 that it made."""
    name, key, value, headers = wire_mutant(seed, number)
    place = ("images-v1", number % 8, number)
    return name, received(place, key=key, value=value, headers=headers)


def wire_mutant(seed: int, number: int) -> tuple[str, bytes | None, bytes, Headers]:
    """Return the name of a rule, and key, value and headers as a producer would send them."""
    rng = np.random.default_rng((seed, number))
    rule = _RULES[number % len(_RULES)]
    name, value, key, texts = rule(rng, good_image())
    headers: Headers = [(header, text.encode()) for header, text in texts.items()]
    if number % 3:
        return name, key, value, headers
    return name, hostile_key(rng), value, hostile_headers(rng, beside=headers)


Made = bytes | tuple[bytes, bytes, dict[str, str]]
Rule = Callable[[np.random.Generator, bytes], Made]


def _rule(function: Rule) -> Rule:
    """Register a rule under its name; it returns the file alone, or file, key and headers."""

    def named(rng: np.random.Generator, data: bytes) -> tuple[str, bytes, bytes, dict[str, str]]:
        made = function(rng, data)
        value, key, headers = made if isinstance(made, tuple) else (made, _KEY, {})
        return function.__name__.strip("_"), value, key, headers

    _RULES.append(named)
    return function


def set_card(data: bytes, name: str, text: str) -> bytes:
    """Replace the card (or the first blank one) by `text`, whatever that is."""
    header_end = data.index(b"END     ")
    card = f"{name:<8}= {text}".encode("latin-1", "replace")[:_CARD].ljust(_CARD)
    at = next(
        (i for i in range(0, header_end, _CARD) if data[i : i + 8].rstrip() == name.encode()),
        None,
    )
    if at is None:
        at = header_end
        card += b"END".ljust(_CARD)
        return data[:at] + card + data[at + 2 * _CARD :]
    return data[:at] + card + data[at + _CARD :]


@_rule
def _one_card(rng: np.random.Generator, data: bytes) -> bytes:
    return set_card(data, str(rng.choice(_CARDS)), str(rng.choice(_TEXTS)))


@_rule
def _several_cards(rng: np.random.Generator, data: bytes) -> bytes:
    for _ in range(int(rng.integers(2, 6))):
        data = set_card(data, str(rng.choice(_CARDS[8:])), str(rng.choice(_TEXTS)))
    return data


@_rule
def _random_number(rng: np.random.Generator, data: bytes) -> bytes:
    value = rng.normal() * 10.0 ** rng.integers(-40, 40)
    return set_card(data, str(rng.choice(_CARDS[8:])), f"{value:.8E}")


@_rule
def _missing_card(rng: np.random.Generator, data: bytes) -> bytes:
    name = str(rng.choice(_CARDS[7:])).encode().ljust(8)
    return data.replace(name, b"X" + name[:7], 1) if name in data[:5760] else data


@_rule
def _header_bytes(rng: np.random.Generator, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 20))):
        damaged[int(rng.integers(0, 2880))] = int(rng.integers(0, 256))
    return bytes(damaged)


@_rule
def _truncated(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


@_rule
def _pixel_bytes(rng: np.random.Generator, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 400))):
        damaged[int(rng.integers(2880, len(data)))] = int(rng.integers(0, 256))
    return bytes(damaged)


@_rule
def _pixel_values(rng: np.random.Generator, data: bytes) -> bytes:
    pixels = np.frombuffer(data, ">f4", 96 * 96, 2880).reshape(96, 96).copy()
    bad = (np.nan, np.inf, -np.inf, 1e20, -1e20, 3.4e38, -3.4e38, 0.0, -32768.0, 1e22, 1e-30, 1e9)
    value = float(rng.choice(bad))
    corner, side = rng.integers(0, 90, 2), int(rng.integers(1, 96))
    pixels[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = value
    if rng.random() < 0.3:
        with np.errstate(over="ignore"):
            pixels *= np.float32(10.0 ** rng.integers(-30, 30))
    return data[:2880] + pixels.tobytes() + data[2880 + pixels.nbytes :]


@_rule
def _compressed(rng: np.random.Generator, data: bytes) -> bytes:
    packed = bytearray(gzip.compress(data))
    for _ in range(int(rng.integers(0, 4))):
        packed[int(rng.integers(0, len(packed)))] = int(rng.integers(0, 256))
    return bytes(packed[: int(rng.integers(1, len(packed) + 1))] if rng.random() < 0.3 else packed)


@_rule
def _cards_beside(rng: np.random.Generator, data: bytes) -> tuple[bytes, bytes, dict[str, str]]:
    names = [f"fits:{rng.choice(_CARDS)}" for _ in range(int(rng.integers(1, 5)))]
    odd = ("fits:", "fits:a b", "fits:" + "X" * 40, "fits:\x00", "fits:é")
    if rng.random() < 0.3:
        names.append(str(rng.choice(odd)))
    return data, _KEY, {name: str(rng.choice(_TEXTS)) for name in names}


@_rule
def _headers(rng: np.random.Generator, data: bytes) -> tuple[bytes, bytes, dict[str, str]]:
    times = (
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday", "", "2024-01-01",
        "\x00", "1e999", "2024-03-05T06:07:08Z",
    )  # fmt: skip
    names = (
        "a\x00b",
        "é",
        " ",
        "x" * 5000,
        "../../etc",
        "UPPER case",
        "a:b",
        "\ud7ff",
        "",
        "nul\x00",
    )
    return data, _KEY, {
        "t-sent": str(rng.choice(times)),
        "stream": str(rng.choice(names)),
        "image-id": str(rng.choice(("", "f" * 64, "x" * 10_000, "\x00"))),
        "content-type": str(rng.choice(("application/fits", "text/html", ""))),
        "sha256": str(rng.choice(("", "", "0" * 64, "\x00"))),
    }  # fmt: skip


@_rule
def _key(rng: np.random.Generator, data: bytes) -> tuple[bytes, bytes, dict[str, str]]:
    return data, rng.bytes(int(rng.integers(0, 300))), {}


@_rule
def _rubbish(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: int(rng.integers(0, 200))] + rng.bytes(int(rng.integers(0, 20_000)))
