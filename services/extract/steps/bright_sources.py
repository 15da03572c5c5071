"""Sources whose side lobes spoil images far away: where they are at a time."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from astropy.coordinates import get_body, solar_system_ephemeris
from astropy.time import Time
from astropy.utils.iers import conf as iers_settings

from sky.wcs import to_unit_vectors

__all__ = ["BRIGHT_SOURCES", "nearest_bright_source"]

# ICRS [deg], from SIMBAD; None moves.
BRIGHT_SOURCES: MappingProxyType[str, tuple[float, float] | None] = MappingProxyType(
    {
        "Cas A": (350.850, 58.815),
        "Cyg A": (299.868, 40.734),
        "Tau A": (83.633, 22.015),
        "Vir A": (187.706, 12.391),
        "Her A": (252.784, 4.993),
        "Sun": None,
        "Jupiter": None,
    }
)
# The Sun moves 1 degree a day: a minute is nothing.
_SAME_PLACE_S = 60.0


def nearest_bright_source(
    ra: float, dec: float, moment: datetime, names: Iterable[str]
) -> tuple[str, float]:
    """Return which of the named sources is nearest, and how far away it is [deg].

    Parameters
    ----------
    ra, dec : float
        Field centre, ICRS [deg].
    moment : datetime
        When, UTC; matters for what moves.
    names : iterable of str
        Keys of `BRIGHT_SOURCES`, at least one.
    """
    centre = to_unit_vectors(np.array([ra]), np.array([dec]))[:, 0]
    places = {name: BRIGHT_SOURCES[name] or _body_place(name, _rounded(moment)) for name in names}
    distance = {}
    for name, (other_ra, other_dec) in places.items():
        other = to_unit_vectors(np.array([other_ra]), np.array([other_dec]))[:, 0]
        distance[name] = float(np.degrees(np.arccos(np.clip(centre @ other, -1, 1))))
    nearest = min(distance, key=distance.__getitem__)
    return nearest, distance[nearest]


def _rounded(moment: datetime) -> float:
    return moment.timestamp() // _SAME_PLACE_S * _SAME_PLACE_S


@lru_cache(maxsize=256)
def _body_place(name: str, unix_s: float) -> tuple[float, float]:
    """Return where a body of the solar system is seen from the Earth's centre [deg]."""
    # The ephemeris built into astropy is good to arcseconds, and nothing is downloaded.
    offline = iers_settings.set_temp("auto_download", value=False)
    with solar_system_ephemeris.set("builtin"), offline:
        body = get_body(name.lower(), Time(unix_s, format="unix"))
    return float(body.ra.deg), float(body.dec.deg)
