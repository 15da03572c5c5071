"""The Sun, the Moon and the planets: which positions are theirs at a time."""

import warnings
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from astropy.constants import c as light_speed
from astropy.coordinates import (
    GCRS,
    ICRS,
    CartesianRepresentation,
    get_body_barycentric,
    solar_system_ephemeris,
)
from astropy.time import Time
from astropy.units import Quantity
from astropy.utils.iers import conf as iers_settings
from erfa import ErfaWarning

from sky.geometry import to_unit_vectors

__all__ = ["BODY_RADIUS_DEG", "body_positions", "is_solar_system"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# How far from the geocentric position a body may be seen: its disc, and for the Moon the parallax
# of an observer on the surface of the Earth [deg].
BODY_RADIUS_DEG: MappingProxyType[str, float] = MappingProxyType(
    {
        "sun": 0.5, "moon": 1.3, "mercury": 0.01, "venus": 0.02, "mars": 0.02, "jupiter": 0.02,
        "saturn": 0.01, "uranus": 0.01, "neptune": 0.01,
    }
)  # fmt: skip
# Between two hours a body moves on a straight line to an arcsecond.
_STEP_S = 3600.0


def body_positions(moment: datetime) -> FloatArray:
    """Return the geocentric unit vectors (n, 3) of the bodies of `BODY_RADIUS_DEG`, in order."""
    unix_s = moment.timestamp()
    start_s = unix_s // _STEP_S * _STEP_S
    part = (unix_s - start_s) / _STEP_S
    before, after = _vectors_around(start_s)
    vectors = (1 - part) * before + part * after
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float64)


@lru_cache(maxsize=64)
def _vectors_around(start_s: float) -> FloatArray:
    """Return the unit vectors (2, n, 3) at the beginning and the end of an hour."""
    # The ephemeris built into astropy is accurate to arcseconds and downloads nothing.
    offline = iers_settings.set_temp("auto_download", value=False)
    moments = Time([start_s, start_s + _STEP_S], format="unix")
    with solar_system_ephemeris.set("builtin"), offline, warnings.catch_warnings():
        # Before 1960 and some years ahead UTC is uncertain by seconds, in which no body moves far.
        warnings.simplefilter("ignore", ErfaWarning)
        # As `get_body` does for one body, to milliarcseconds, in a quarter of its time.
        places = np.stack([_place_when_seen(name, moments) for name in BODY_RADIUS_DEG], axis=1)
        seen = ICRS(CartesianRepresentation(places)).transform_to(GCRS(obstime=moments))
    vectors = np.moveaxis(seen.cartesian.xyz.value, 2, 0).swapaxes(1, 2)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    vectors.flags.writeable = False  # the cache hands out this very array
    return np.asarray(vectors, np.float64)


def _place_when_seen(name: str, moments: Time) -> Quantity:
    """Return the barycentric place (3, m) where a body was when the light of each moment left."""
    earth = get_body_barycentric("earth", moments)
    distance = (get_body_barycentric(name, moments) - earth).norm()
    return get_body_barycentric(name, moments - distance / light_speed).xyz


def is_solar_system(
    ra: FloatArray, dec: FloatArray, moment: datetime, *, beam_deg: float
) -> BoolArray:
    """Return which positions may be the Sun, the Moon or a planet.

    Parameters
    ----------
    ra, dec : (n,) float64
        Positions, ICRS [deg].
    moment : datetime
        Middle of the exposure, UTC.
    beam_deg : float
        Resolution, added to the radius of each body [deg].

    Returns
    -------
    (n,) bool
    """
    if not ra.size:
        return np.zeros(0, np.bool_)
    radius = np.radians(np.array(list(BODY_RADIUS_DEG.values())) + beam_deg)
    chord = np.linalg.norm(
        to_unit_vectors(ra, dec).T[:, None, :] - body_positions(moment)[None, :, :], axis=2
    )
    return np.asarray(np.any(chord <= 2 * np.sin(radius / 2), axis=1), np.bool_)
