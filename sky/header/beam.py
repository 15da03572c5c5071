"""The restoring beam: from its cards, or from what an imager wrote into HISTORY."""

import math
import re
from collections.abc import Iterable

from sky.header.cards import Cards
from sky.header.errors import HeaderError

__all__ = ["read_beam"]

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?)"
# AIPS: degrees. `CLEAN BMAJ=  1.1E-02 BMIN=  8.3E-03 BPA=  30.00`; the inputs of its tasks look
# alike, with another word before them and in arcseconds.
_AIPS = re.compile(rf"CLEAN\s+BMAJ=\s*{_NUMBER}\s+BMIN=\s*{_NUMBER}\s+BPA=\s*{_NUMBER}(?![\d.])")
# Miriad: `RESTOR: Using gaussian beam fwhm of 3.28 by 2.10 arcsec.`, `... Position angle: 12.3`
_MIRIAD = re.compile(rf"beam fwhm of\s+{_NUMBER}\s+by\s+{_NUMBER}\s*arcsec", re.IGNORECASE)
_MIRIAD_ANGLE = re.compile(rf"RESTOR:?.*position angle:?\s+{_NUMBER}", re.IGNORECASE)
# WSClean's command line: `-beam-shape 12asec 10asec 30deg`, `-beam-size 12asec`
_WSCLEAN = re.compile(
    rf"-beam-shape\s+{_NUMBER}(\w*)\s+{_NUMBER}(\w*)\s+{_NUMBER}(rad)?", re.IGNORECASE
)
_WSCLEAN_ROUND = re.compile(rf"-beam-size\s+{_NUMBER}(\w*)", re.IGNORECASE)
_TO_DEG = {"": 1 / 3600, "asec": 1 / 3600, "arcsec": 1 / 3600, "amin": 1 / 60, "arcmin": 1 / 60,
           "deg": 1.0, "masec": 1 / 3.6e6}  # fmt: skip
_COMMENTED_TO_DEG = _TO_DEG | {
    "arcsecs": 1 / 3600, "arcsecond": 1 / 3600, "arcseconds": 1 / 3600, "arcmins": 1 / 60,
    "arcminute": 1 / 60, "arcminutes": 1 / 60, "rad": math.degrees(1.0),
    "radian": math.degrees(1.0), "radians": math.degrees(1.0), "mas": 1 / 3.6e6,
}  # fmt: skip
# BMAJ, BMIN and BPA, and as AIPS and Obit write them.
_NAMES = (("BMAJ", "BMIN", "BPA"), ("CLEANBMJ", "CLEANBMN", "CLEANBPA"))
# A beam that is round to this fraction needs no position angle.
_ROUND = 1e-3
_LARGEST_DEG = 90.0

Beam = tuple[float, float, float]
# As HISTORY has it, where the angle may be missing.
WrittenBeam = tuple[float, float, float | None]


def read_beam(cards: Cards) -> Beam:
    """Return the FWHM of major and minor axis and the position angle, north through east [deg].

    If BMAJ is smaller than BMIN, the axes are swapped and the angle is rotated by 90 deg.

    Raises
    ------
    HeaderError
        Codes ``no_beam``, ``bad_beam``, ``bad_header``.
    """
    found = (_from_cards(cards, *names) for names in _NAMES)
    beam = next((each for each in found if each is not None), None)
    # Zero is what writes the cards and does not know the beam.
    if beam is None or beam[:2] == (0, 0):
        beam = _from_history(list(cards.history())) or beam
    if beam is None:
        raise HeaderError(
            "no_beam", "no restoring beam: set BMAJ, BMIN and BPA [deg] (or fits:BMAJ headers)"
        )
    return _checked(*beam)


def _from_cards(cards: Cards, *names: str) -> WrittenBeam | None:
    major, minor, angle = (_axis(cards, name) for name in names)
    return None if major is None or minor is None else (major, minor, angle)


def _axis(cards: Cards, name: str) -> float | None:
    value = cards.required_number(name)
    return None if value is None else value * cards.scale(name, _COMMENTED_TO_DEG)


def _checked(major: float, minor: float, angle: float | None) -> Beam:
    if angle is None:
        if abs(major - minor) > _ROUND * abs(major):
            raise HeaderError(
                "no_beam",
                f"the beam is elongated (BMAJ {major:g}, BMIN {minor:g} deg) and BPA is missing",
            )
        angle = 0.0
    if not (0 < minor < _LARGEST_DEG and 0 < major < _LARGEST_DEG):
        raise HeaderError(
            "bad_beam",
            f"impossible beam: BMAJ {major:g} deg, BMIN {minor:g} deg; "
            f"both must lie between 0 and {_LARGEST_DEG:g}",
        )
    if minor > major:
        major, minor, angle = minor, major, angle + 90.0
    return major, minor, math.remainder(angle, 180.0)


def _from_history(lines: Iterable[str]) -> WrittenBeam | None:
    """Return the beam of the last HISTORY record that has one."""
    beam: WrittenBeam | None = None
    for line in lines:
        found = _from_line(line)
        if found is not None and found[0] > 0:
            beam = found
        if beam is not None and beam[2] is None and (match := _MIRIAD_ANGLE.search(line)):
            beam = beam[0], beam[1], _to_float(match[1])
    return beam


def _from_line(line: str) -> WrittenBeam | None:
    if match := _AIPS.search(line):
        major, minor, angle = map(_to_float, match.groups())
        return major, minor, angle
    if match := _MIRIAD.search(line):
        return _to_float(match[1]) / 3600, _to_float(match[2]) / 3600, None
    if (match := _WSCLEAN.search(line)) and {match[2], match[4]} <= _TO_DEG.keys():
        angle = _to_float(match[5])
        return (
            _to_float(match[1]) * _TO_DEG[match[2]],
            _to_float(match[3]) * _TO_DEG[match[4]],
            math.degrees(angle) if match[6] else angle,
        )
    if (match := _WSCLEAN_ROUND.search(line)) and match[2] in _TO_DEG:
        size = _to_float(match[1]) * _TO_DEG[match[2]]
        return size, size, 0.0
    return None


def _to_float(text: str) -> float:
    return float(text.replace("D", "E").replace("d", "e"))
