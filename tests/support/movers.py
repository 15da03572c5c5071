"""Objects that move along great circles, as an imager sees them."""

from dataclasses import dataclass

import numpy as np

from sky.geometry import move, to_unit_vectors

__all__ = ["Mover", "scatter"]


@dataclass(frozen=True)
class Mover:
    """An object that moves at a constant rate from a position at time 0.

    Parameters
    ----------
    ra, dec : float
        ICRS [deg].
    rate_arcsec_s : float
        Angular rate [arcsec/s].
    direction_deg : float
        Position angle at time 0, north through east [deg].
    """

    ra: float
    dec: float
    rate_arcsec_s: float
    direction_deg: float

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the position at a time [s]: right ascension in [0, 360) and declination [deg]."""
        here = to_unit_vectors(np.array([self.ra]), np.array([self.dec])).T[0]
        ra, dec, angle = np.radians([self.ra, self.dec, self.direction_deg])
        east = np.array([-np.sin(ra), np.cos(ra), 0.0])
        north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
        ahead = np.sin(angle) * east + np.cos(angle) * north
        turn = np.radians(self.rate_arcsec_s * time_s / 3600)
        x, y, z = here * np.cos(turn) + ahead * np.sin(turn)
        return (
            float(np.degrees(np.arctan2(y, x)) % 360.0 % 360.0),
            float(np.degrees(np.arctan2(z, np.hypot(x, y)))),
        )


def scatter(
    rng: np.random.Generator, position: tuple[float, float], sigma_deg: float
) -> tuple[float, float]:
    """Return a position with a normal error on both axes [deg]."""
    east, north = rng.normal(0.0, sigma_deg, 2)
    ra, dec = move(
        np.array([position[0]]), np.array([position[1]]), np.array([east]), np.array([north])
    )
    return float(ra[0]), float(dec[0])
