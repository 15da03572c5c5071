"""From the unit of the pixels (BUNIT) to Jy/beam."""

import math
import re
from dataclasses import dataclass

from sky.header.cards import Cards
from sky.header.errors import HeaderError

__all__ = ["BrightnessUnit", "beam_area_sr", "read_brightness_unit"]

_PREFIXES = {
    "": 1.0, "y": 1e-24, "z": 1e-21, "a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6,
    "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "da": 1e1, "h": 1e2, "k": 1e3,
    "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
}  # fmt: skip
_NAMES = {
    "nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "centi": 1e-2, "kilo": 1e3, "mega": 1e6,
    "giga": 1e9,
}  # fmt: skip
# Capital letters throughout hide whether M is milli or mega, P pico or peta.
_AMBIGUOUS = frozenset("MP")
_FLUX = re.compile(
    r"(?P<scale>(?:10\^?[+-]?\d+|\d+(?:\.\d*)?(?:[Ee][+-]?\d+)?)[ *]?)?"
    r"(?P<name>nano|micro|milli|centi|kilo|mega|giga)?(?P<prefix>da|[yzafpnuµμmcdhkKMGTPEUN])??"
    r"(?P<unit>jansk(?:y|ys|ies)|jy|kelvins?|k)",
    re.IGNORECASE,
)
_PER = {
    "beam": "beam", "beams": "beam", "bm": "beam", "psf": "beam", "pixel": "pixel",
    "pixels": "pixel", "pix": "pixel", "px": "pixel", "sr": "sr", "steradian": "sr",
    "ster": "sr", "arcsec2": "arcsec2", "arcsecond2": "arcsec2", "sqarcsec": "arcsec2",
    "arcmin2": "arcmin2", "deg2": "deg2", "": "",
}  # fmt: skip
_AREAS_SR = {
    "sr": 1.0,
    "arcsec2": math.radians(1 / 3600) ** 2,
    "arcmin2": math.radians(1 / 60) ** 2,
    "deg2": math.radians(1) ** 2,
}
# What BTYPE of CASA and Miriad calls images that show something else: letters alone, as both write
# them with spaces or lines between.
_NO_BRIGHTNESS = frozenset(
    [
        "BEAM",
        "COLUMNDENSITY",
        "DEPOLARIZATIONRATIO",
        "FRACTIONALPOLARIZATION",
        "KINETICTEMPERATURE",
        "MAGNETICFIELD",
        "OPTICALDEPTH",
        "POLARIZEDINTENSITY",
        "POSITIONANGLE",
        "ROTATIONALTEMPERATURE",
        "ROTATIONMEASURE",
        "SPECTRALINDEX",
        "VELOCITY",
        "VELOCITYDISPERSION",
    ]
)
# Boltzmann constant [J/K] and speed of light [m/s], both exact (SI 2019); 1 Jy in W m^-2 Hz^-1.
_BOLTZMANN = 1.380649e-23
_LIGHT_M_S = 299_792_458.0
_JANSKY = 1e-26


@dataclass(frozen=True, slots=True)
class BrightnessUnit:
    """The unit of the pixels.

    Parameters
    ----------
    factor : float
        Multiplies a pixel to Jy per `per`, or to K.
    per : str
        ``beam``, ``pixel``, ``sr``, ``arcsec2``, ``arcmin2``, ``deg2`` or ``K``.
    """

    factor: float
    per: str

    def to_jy_beam(self, *, freq_hz: float, beam_sr: float, pixel_sr: float) -> float:
        """Return what a pixel is multiplied with to be in Jy/beam.

        Parameters
        ----------
        freq_hz : float
            For brightness temperatures (Rayleigh-Jeans) [Hz].
        beam_sr, pixel_sr : float
            Solid angle of the restoring beam and of a pixel [sr].
        """
        if self.per == "beam":
            return self.factor
        if self.per == "pixel":
            return self.factor * beam_sr / pixel_sr
        if self.per == "K":
            return self.factor * 2 * _BOLTZMANN * (freq_hz / _LIGHT_M_S) ** 2 * beam_sr / _JANSKY
        return self.factor * beam_sr / _AREAS_SR[self.per]


def beam_area_sr(major_deg: float, minor_deg: float) -> float:
    """Return the solid angle of a Gaussian beam of these FWHM [sr]."""
    return math.pi / (4 * math.log(2)) * math.radians(major_deg) * math.radians(minor_deg)


def read_brightness_unit(cards: Cards) -> BrightnessUnit:
    """Return the unit of BUNIT; without the card the pixels are in Jy/beam, and that is noted.

    Raises
    ------
    HeaderError
        Code ``bad_unit`` if it is no unit of brightness, or BTYPE names another quantity.
    """
    quantity = cards.text("BTYPE") or ""
    if re.sub("[^A-Z]", "", quantity.upper()) in _NO_BRIGHTNESS:
        raise HeaderError(
            "bad_unit", f"BTYPE is {quantity!r}: send images of a Stokes parameter, in Jy/beam"
        )
    text = cards.required_text("BUNIT")
    if text is None:
        cards.ignore("BUNIT")
        return BrightnessUnit(1.0, "beam")
    unit = _parse(text)
    if unit is None:
        raise HeaderError(
            "bad_unit",
            f"BUNIT is {text!r}; write the pixels in Jy/beam (or mJy/beam, K, Jy/pixel, MJy/sr)",
        )
    return unit


def _parse(text: str) -> BrightnessUnit | None:
    flux, per = _split(text)
    match = _FLUX.fullmatch(flux)
    if match is None or per not in _PER:
        return None
    area = _PER[per]
    is_temperature = match["unit"].lower().startswith("k")
    if is_temperature != (area == ""):
        return None
    factor = _prefix(match, text, area)
    scale = _scale(match["scale"])
    if factor is None or scale is None:
        return None
    return BrightnessUnit(factor * scale, "K" if is_temperature else area)


def _split(text: str) -> tuple[str, str]:
    """Return what is measured, and per what; the divisor in lower case without an exponent."""
    words = text.strip().strip("'\"").replace("**", "^")
    words = re.sub(r"^10\^?\(([+-]?\d+)\)", r"10^\1", words)
    words = re.sub(r"\s*([/.*^])\s*", r"\1", words)
    words = (
        re.sub(r"\bper\b", "/", words, flags=re.IGNORECASE).replace(" /", "/").replace("/ ", "/")
    )
    if "/" in words:
        flux, _, per = words.partition("/")
        return flux.strip(" ()"), re.sub(r"[()\s^]", "", per).lower()
    parts = re.split(r"[ .*]+(?![0-9])", words)
    inverse = [part for part in parts if re.search(r"[A-Za-z]\^?\(?-[12]\)?$", part)]
    if len(inverse) == 1:
        rest = " ".join(part for part in parts if part is not inverse[0])
        name = re.sub(r"[()^]", "", inverse[0]).lower()
        base, _, power = name.partition("-")
        return rest.strip(), base + ("2" if power == "2" else "")
    return words, ""


def _prefix(match: re.Match[str], text: str, area: str) -> float | None:
    """Return the factor of the prefix, or None where its letter may mean two things."""
    if match["name"]:
        return _NAMES[match["name"].lower()] if not match["prefix"] else None
    letter = match["prefix"] or ""
    if text.isupper() and letter:
        if letter in _AMBIGUOUS and area != "sr":
            return None
        letter = letter if letter in "MGT" else letter.lower()
    return _PREFIXES.get(letter)


def _scale(text: str | None) -> float | None:
    if not text:
        return 1.0
    text = text.strip(" *")
    power = re.fullmatch(r"10\^([+-]?\d+)|10([+-]\d+)", text)
    value = 10.0 ** int(power[1] or power[2]) if power else float(text)
    return value if 1e-30 < value < 1e30 else None
