"""Centre frequency and bandwidth: the spectral axis of the WCS at the image's plane."""

from functools import lru_cache

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS

from sky.header.axes import MOST_AXES, find_axis, step_of_axis
from sky.header.cards import Cards, quiet_astropy
from sky.header.errors import HeaderError

__all__ = ["SPECTRAL_TYPES", "read_frequency"]

# FITS 4.0 table 25 and the types of AIPS.
SPECTRAL_TYPES = (
    "FREQ",
    "ENER",
    "WAVN",
    "VRAD",
    "WAVE",
    "VOPT",
    "ZOPT",
    "AWAV",
    "VELO",
    "BETA",
    "FELO",
    "LAMBDA",
)
# Obit's: plane 1 is the image at the reference frequency, the others are spectral indices.
_PLANE_AND_INDICES = "SPECLNMF"
# Types of older writers, as the standard spells them.
_SPELLINGS = {_PLANE_AND_INDICES: "FREQ", "FREQUENC": "FREQ", "LAMBDA": "WAVE", "VELOCITY": "VELO"}
_FROM_REST = ("VRAD", "VOPT", "ZOPT", "VELO", "FELO")
_REST_CARDS = ("RESTFRQ", "RESTFREQ")
# Axes of planes that are numbered, and units of frequency: RESTFRQ does not tell of such an axis.
_CHANNELS = ("CHAN", "SPECTRAL")
_OF_FREQUENCY = frozenset(("hz", "khz", "mhz", "ghz", "thz"))
# Telescopes whose images carry the centre of their band in RESTFRQ.
_REST_IS_CENTRE = frozenset({"LOFAR"})
_LOWEST_HZ, _HIGHEST_HZ = 1e5, 1e15
_LIGHT_M_S = 299_792_458.0
# Units as AIPS and others write them.
_UNITS = {
    "hertz": "Hz", "hz": "Hz", "khz": "kHz", "mhz": "MHz", "ghz": "GHz", "thz": "THz",
    "m/s": "m/s", "m/sec": "m/s", "km/s": "km/s", "km/sec": "km/s",
}  # fmt: skip
_TO_HZ = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}

Spectrum = tuple[float, float]


def read_frequency(cards: Cards) -> Spectrum:
    """Return centre and width of the image's band [Hz]; width 0 where the header has none.

    The spectral axis counts, whatever it is written in (frequency, velocity, wavelength), at
    pixel 1; RESTFRQ only where there is no such axis, and for LOFAR. On an axis that numbers the
    channels, or that is in Hz and has no known type, it is a card FREQ.

    Raises
    ------
    HeaderError
        Codes ``no_frequency``, ``bad_frequency``, ``bad_header``.

    References
    ----------
    FITS 4.0, section 8.4; Greisen et al. 2006, A&A 446, 747.
    """
    axis = find_axis(cards, (*SPECTRAL_TYPES, _PLANE_AND_INDICES))
    rest_hz = _rest(cards)
    width_hz = cards.number("RESTBW")
    if width_hz is not None:
        width_hz *= cards.scale("RESTBW", _TO_HZ)
    if axis is None or (rest_hz is not None and _telescope(cards) in _REST_IS_CENTRE):
        centre_hz, axis_width_hz = _without_axis(cards, rest_hz), None
    else:
        centre_hz, axis_width_hz = _on_axis(cards, axis, rest_hz)
    if not _LOWEST_HZ <= centre_hz <= _HIGHEST_HZ:
        raise HeaderError(
            "bad_frequency",
            f"the image's frequency is {centre_hz:g} Hz; check CRVAL and CUNIT of the FREQ axis, "
            "or RESTFRQ [Hz]",
        )
    if width_hz is None and axis_width_hz is None and axis is not None:
        axis_width_hz = _on_axis(cards, axis, rest_hz)[1]
    width_hz = abs(width_hz or axis_width_hz or 0.0)
    return centre_hz, width_hz if width_hz < centre_hz else 0.0


def _telescope(cards: Cards) -> str:
    return (cards.text("TELESCOP") or "").upper()


def _rest(cards: Cards) -> float | None:
    """Return the rest frequency [Hz], or None where no card has one."""
    for name in _REST_CARDS:
        value = None if cards.is_undefined(name) else cards.required_number(name)
        if value:
            return value * cards.scale(name, _TO_HZ)
    wavelength_m = None if cards.is_undefined("RESTWAV") else cards.required_number("RESTWAV")
    return _LIGHT_M_S / wavelength_m if wavelength_m else None


def _without_axis(cards: Cards, rest_hz: float | None) -> float:
    """Return the frequency of a card [Hz]."""
    unknown = None if _telescope(cards) in _REST_IS_CENTRE else _unknown_axis(cards)
    if rest_hz is not None and unknown is None:
        return rest_hz
    value = cards.required_number("FREQ")
    if value is not None:
        return value * cards.scale("FREQ", _TO_HZ)
    if unknown is None:
        raise HeaderError(
            "no_frequency", "no frequency: give the image a FREQ axis, or set RESTFRQ [Hz]"
        )
    ctype = cards.text(f"CTYPE{unknown}") or ""
    raise HeaderError(
        "no_frequency",
        f"axis {unknown} is of channels and CTYPE{unknown} is {ctype!r}: write CTYPE{unknown} "
        f"FREQ with CRVAL{unknown} [Hz], or set FREQ [Hz]; RESTFRQ is that of a line",
    )


def _unknown_axis(cards: Cards) -> int | None:
    """Return the axis that is spectral, and whose type has no frequency; None without one."""
    numbered = find_axis(cards, _CHANNELS)
    if numbered is not None:
        return numbered
    for axis in range(1, MOST_AXES + 1):
        unit = (cards.text(f"CUNIT{axis}") or "").lower()
        if unit in _OF_FREQUENCY and f"CRVAL{axis}" in cards:
            return axis
    return None


def _on_axis(cards: Cards, axis: int, rest_hz: float | None) -> Spectrum:
    """Return centre and width of the axis' plane [Hz]."""
    ctype = (cards.required_text(f"CTYPE{axis}") or "").upper()
    if ctype.startswith(_FROM_REST) and rest_hz is None:
        raise HeaderError(
            "no_frequency",
            f"axis {axis} is a velocity ({ctype}) without a rest frequency: set RESTFRQ [Hz]",
        )
    value = cards.required_number(f"CRVAL{axis}")
    if value is None:
        raise HeaderError("no_frequency", f"axis {axis} is {ctype} and CRVAL{axis} is missing")
    pixel = cards.required_number(f"CRPIX{axis}")
    if ctype == _PLANE_AND_INDICES and pixel not in (None, 1.0):
        raise HeaderError(
            "bad_frequency",
            f"axis {axis} is {ctype} and CRPIX{axis} is {pixel:g}: only plane 1 of it is an image",
        )
    step = step_of_axis(cards, axis)
    if pixel not in (None, 1.0) and step is None:
        raise cards.unreadable(f"CDELT{axis}", "the width of a channel")
    one_axis = {
        "WCSAXES": 1,
        "CTYPE1": _SPELLINGS.get(ctype[:8], ctype),
        "CRVAL1": value,
        # An axis without a step has one value, wherever its reference pixel is.
        "CRPIX1": pixel if pixel is not None and step else 1.0,
        "CDELT1": step or 1.0,
        "CUNIT1": _unit(cards, axis),
        "RESTFRQ": rest_hz,
        "VELREF": _velocity_reference(cards),
    }
    kept = [(name, each) for name, each in one_axis.items() if each is not None]
    try:
        # A number of these that is too large for a card is one of an impossible axis, too.
        text = Header(kept).tostring(sep="\n", endcard=False, padding=False)
        centre_hz, width_hz = _convert(text)
    except ValueError as error:
        raise HeaderError(
            "bad_header", f"cannot convert axis {axis} ({ctype}) to Hz: {error}"
        ) from None
    return centre_hz, width_hz if step else 0.0


def _velocity_reference(cards: Cards) -> int | None:
    """Return the AIPS code of a velocity's definition: above 256 it is a radio velocity."""
    value = cards.number("VELREF")
    return None if value is None or not 0 <= value < 1000 else round(value)


def _unit(cards: Cards, axis: int) -> str | None:
    text = cards.required_text(f"CUNIT{axis}")
    return text and _UNITS.get(text.lower(), text)


@lru_cache(maxsize=256)
def _convert(text: str) -> Spectrum:
    """Return frequency and channel width [Hz] at pixel 1 of a one-axis header.

    Raises
    ------
    ValueError
        If wcslib cannot convert it.
    """
    try:
        with quiet_astropy():
            wcs = WCS(Header.fromstring(text, sep="\n"))
            if not wcs.wcs.ctype[0].startswith("FREQ"):
                wcs.wcs.sptr("FREQ-???")
                wcs.wcs.set()
            pixels = np.array([[1.0], [0.5], [1.5]])
            centre, low, high = (float(each) for each in wcs.wcs.p2s(pixels, 1)["world"][:, 0])
    except Exception as error:
        # wcslib has a dozen exception classes; each means: this axis has no frequency.
        raise ValueError(" ".join(str(error).split())) from error
    if not np.isfinite(centre):
        raise ValueError("the plane lies outside of the axis")
    width = abs(high - low)
    return centre, width if np.isfinite(width) else 0.0
