"""Positions of the bright sources whose side lobes affect distant fields."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from astropy.coordinates import get_body, solar_system_ephemeris
from astropy.time import Time
from astropy.utils.iers import conf as iers_settings

from sky.geometry import separation_deg

__all__ = ["BRIGHT_SOURCES", "nearest_bright_source"]

# ICRS [deg], from SIMBAD; None: a body of the solar system.
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
# The Sun moves 2.5 arcsec a minute.
_EPHEMERIS_STEP_S = 60.0


def nearest_bright_source(
    ra: float, dec: float, moment: datetime, names: Iterable[str]
) -> tuple[str, float]:
    """Return which of the named sources is nearest, and its distance [deg].

    Parameters
    ----------
    ra, dec : float
        Field centre, ICRS [deg].
    moment : datetime
        Time of the observation, UTC.
    names : iterable of str
        Keys of `BRIGHT_SOURCES`, at least one.
    """
    positions = {
        name: BRIGHT_SOURCES[name] or _body_position(name, _rounded(moment)) for name in names
    }
    distance = {name: separation_deg(ra, dec, *other) for name, other in positions.items()}
    nearest = min(distance, key=distance.__getitem__)
    return nearest, distance[nearest]


def _rounded(moment: datetime) -> float:
    return moment.timestamp() // _EPHEMERIS_STEP_S * _EPHEMERIS_STEP_S


@lru_cache(maxsize=256)
def _body_position(name: str, unix_s: float) -> tuple[float, float]:
    """Return the geocentric position of a body of the solar system [deg]."""
    # The ephemeris built into astropy is accurate to arcseconds and downloads nothing.
    offline = iers_settings.set_temp("auto_download", value=False)
    with solar_system_ephemeris.set("builtin"), offline:
        body = get_body(name.lower(), Time(unix_s, format="unix"))
    return float(body.ra.deg), float(body.dec.deg)
