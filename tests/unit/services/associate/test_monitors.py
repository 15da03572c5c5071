"""Where monitored targets are at the time of an image."""

from datetime import UTC, datetime

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Distance, SkyCoord
from astropy.time import Time

from services.associate.models.catalogue import Monitors
from services.associate.steps.monitors import move_to


def monitors(ra: float, dec: float, pm: tuple[float, float], epoch_yr: float) -> Monitors:
    return Monitors(
        id=np.array([1]),
        ra=np.array([ra]),
        dec=np.array([dec]),
        source_id=np.array([0]),
        pm_ra_cosdec_mas_yr=np.array([pm[0]]),
        pm_dec_mas_yr=np.array([pm[1]]),
        epoch_yr=np.array([epoch_yr]),
    )


@pytest.mark.parametrize(
    ("ra", "dec", "pm", "epoch_yr"),
    [
        (269.448, 4.739, (-801.55, 10362.39), 2016.0),
        (359.9999, -20.0, (5000.0, 100.0), 2000.0),
        (10.0, 89.9999, (3000.0, 4000.0), 1991.25),
    ],
)
def test_a_target_moves_as_astropy_has_it(
    ra: float, dec: float, pm: tuple[float, float], epoch_yr: float
) -> None:
    time = Time("2026-11-27T12:00:00", scale="utc")
    start = SkyCoord(
        ra * u.deg, dec * u.deg,
        pm_ra_cosdec=pm[0] * u.mas / u.yr, pm_dec=pm[1] * u.mas / u.yr,
        distance=Distance(10 * u.pc), radial_velocity=0 * u.km / u.s,
        obstime=Time(epoch_yr, format="jyear"),
    )  # fmt: skip
    there = start.apply_space_motion(new_obstime=time)
    moved = move_to(monitors(ra, dec, pm, epoch_yr), time.to_datetime(timezone=UTC))
    found = SkyCoord(moved.ra * u.deg, moved.dec * u.deg)
    assert found.separation(SkyCoord(there.ra, there.dec)).arcsec.max() < 1e-3


def test_what_does_not_move_is_left_alone() -> None:
    still = monitors(10.0, 20.0, (0.0, 0.0), 2000.0)
    assert move_to(still, datetime.fromisoformat("2026-01-01T00:00:00Z")) is still
    moving = monitors(10.0, 20.0, (1.0, 0.0), 2000.0)
    assert move_to(moving, None) is moving
