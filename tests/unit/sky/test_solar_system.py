"""Positions of the Sun, the Moon and the planets, compared with astropy at the very moment."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from astropy.coordinates import get_body
from astropy.time import Time

from sky.geometry import to_unit_vectors
from sky.solar_system import BODY_RADIUS_DEG, body_positions, is_solar_system

MOMENT = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def place_of(name: str, moment: datetime) -> tuple[np.ndarray, np.ndarray]:
    body = get_body(name, Time(moment), ephemeris="builtin")
    return np.array([float(body.ra.deg)]), np.array([float(body.dec.deg)])


@pytest.mark.parametrize("name", BODY_RADIUS_DEG)
def test_bodies_are_where_astropy_has_them(name: str) -> None:
    there = to_unit_vectors(*place_of(name, MOMENT))[:, 0]
    found = body_positions(MOMENT)[list(BODY_RADIUS_DEG).index(name)]
    assert np.degrees(np.linalg.norm(there - found)) < 5 / 3600


@pytest.mark.parametrize("name", BODY_RADIUS_DEG)
@pytest.mark.parametrize("hour", [-20 * 8766, 0, 8766])
def test_bodies_are_at_a_full_hour_where_astropy_has_them(name: str, hour: int) -> None:
    moment = MOMENT.replace(minute=0, second=0) + timedelta(hours=hour)
    there = to_unit_vectors(*place_of(name, moment))[:, 0]
    found = body_positions(moment)[list(BODY_RADIUS_DEG).index(name)]
    assert np.degrees(np.linalg.norm(there - found)) < 0.1 / 3600


@pytest.mark.parametrize("name", ["sun", "jupiter"])
def test_a_source_at_a_body_is_of_the_solar_system_and_no_other(name: str) -> None:
    ra, dec = place_of(name, MOMENT)
    radius = BODY_RADIUS_DEG[name]
    offsets = np.array([0.0, 0.9 * radius, 1.1 * radius + 0.05, 10.0])
    found = is_solar_system(np.full(4, ra[0]), dec[0] + offsets, MOMENT, beam_deg=0.05)
    assert found.tolist() == [True, True, False, False]


def test_a_day_later_the_moon_is_elsewhere() -> None:
    ra, dec = place_of("moon", MOMENT)
    assert is_solar_system(ra, dec, MOMENT, beam_deg=0.0)[0]
    assert not is_solar_system(ra, dec, MOMENT + timedelta(days=1), beam_deg=0.0)[0]
    assert is_solar_system(ra[:0], dec[:0], MOMENT, beam_deg=0.0).size == 0


@pytest.mark.parametrize("year", [1931, 1959, 2050, 2199])
def test_a_year_in_which_utc_is_uncertain_has_its_sun_too(year: int) -> None:
    equinox = datetime(year, 3, 20, 18, tzinfo=UTC)
    sun = body_positions(equinox)[list(BODY_RADIUS_DEG).index("sun")]
    away_deg = np.degrees(np.arccos(sun @ to_unit_vectors(np.zeros(1), np.zeros(1))[:, 0]))
    assert away_deg < 4.0  # the equinox of J2000 is up to 2.8 deg from that of the year
