"""Small angles against astropy, boxes against brute force."""

import math

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sky.geometry import (
    in_probes,
    merge_probes,
    move,
    move_in_plane,
    probe_zones,
    separation_deg,
    tangent_offsets,
    to_galactic,
    zone_of,
)
from tests.support.examples import examples

RA = st.floats(0, 360, exclude_max=True)
DEC = st.floats(-90, 90)


@settings(max_examples=examples(50))
@given(RA, st.floats(-89, 89), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_move_and_offset_are_inverse(ra: float, dec: float, east: float, north: float) -> None:
    start = np.array([ra]), np.array([dec])
    moved = move(*start, np.array([east]), np.array([north]))
    back = tangent_offsets(*start, *moved)
    assert back[0][0] == pytest.approx(east, abs=1e-6)
    assert back[1][0] == pytest.approx(north, abs=1e-6)
    assert 0 <= moved[0][0] < 360


@settings(max_examples=examples(30))
@given(RA, DEC, st.floats(0, 360), st.floats(1e-4, 0.1))
def test_offsets_agree_with_astropy(
    ra: float, dec: float, angle_deg: float, distance_deg: float
) -> None:
    here = SkyCoord(ra * u.deg, dec * u.deg)
    there = here.directional_offset_by(angle_deg * u.deg, distance_deg * u.deg)
    east, north = tangent_offsets(
        np.array([ra]), np.array([dec]), np.array([there.ra.deg]), np.array([there.dec.deg])
    )
    assert np.hypot(east[0], north[0]) == pytest.approx(distance_deg, rel=1e-5)


@settings(max_examples=examples(100))
@given(
    st.lists(st.tuples(RA, DEC), min_size=1, max_size=6),
    st.floats(1e-4, 5),
    st.integers(0, 2**32 - 1),
)
@example([(0.0, 90.0)], 1.0, 1)
@example([(0.0, 0.0), (359.9999, 0.2)], 0.5, 2)
def test_boxes_contain_every_near_position_once(
    places: list[tuple[float, float]], radius_deg: float, seed: int
) -> None:
    ra, dec = np.array(places).T
    probes = probe_zones(ra, dec, radius_deg)
    rng = np.random.default_rng(seed)
    centre = rng.integers(0, ra.size, 50)
    around = SkyCoord(ra[centre] * u.deg, dec[centre] * u.deg).directional_offset_by(
        rng.uniform(0, 360, 50) * u.deg, rng.uniform(0, 0.999, 50) * radius_deg * u.deg
    )
    zone = zone_of(around.dec.deg)
    hits = np.zeros(50, int)
    for number in range(probes.zone.size):
        hits += (
            (zone == probes.zone[number])
            & (around.ra.deg >= probes.ra_low[number])
            & (around.ra.deg <= probes.ra_high[number])
        )
    assert np.all(hits == 1)
    assert np.all((around.dec.deg >= probes.dec_low) & (around.dec.deg <= probes.dec_high))


@settings(max_examples=examples(50))
@given(
    places=st.lists(st.tuples(RA, DEC), min_size=1, max_size=30),
    radius_deg=st.floats(1e-4, 3),
    gap_deg=st.floats(0, 360),
    seed=st.integers(0, 1000),
)
def test_longer_boxes_hold_the_same_positions_and_are_fewer(
    places: list[tuple[float, float]], radius_deg: float, gap_deg: float, seed: int
) -> None:
    centre_ra, centre_dec = np.array(places).T
    probes = probe_zones(centre_ra, centre_dec, radius_deg)
    wide = merge_probes(probes, gap_deg)
    rng = np.random.default_rng(seed)
    near = rng.integers(0, centre_ra.size, 100)
    ra = (centre_ra[near] + rng.normal(0, 2 * radius_deg, 100)) % 360
    dec = np.clip(centre_dec[near] + rng.normal(0, 2 * radius_deg, 100), -90, 90)
    zone = zone_of(dec)[:, None]
    expected = np.any(
        (zone == probes.zone)
        & (ra[:, None] >= probes.ra_low)
        & (ra[:, None] <= probes.ra_high)
        & (dec[:, None] >= probes.dec_low)
        & (dec[:, None] <= probes.dec_high),
        axis=1,
    )
    assert np.array_equal(in_probes(probes, ra, dec), expected)
    assert np.all(in_probes(wide, ra, dec)[expected])
    assert wide.zone.size <= probes.zone.size
    same_zone = wide.zone[1:] == wide.zone[:-1]
    assert np.all((wide.ra_low[1:] - wide.ra_high[:-1])[same_zone] > gap_deg)


@given(ra=st.floats(0, 360), dec=st.floats(-90, 90))
def test_galactic_coordinates_are_those_of_astropy(ra: float, dec: float) -> None:
    longitude_deg, latitude_deg = to_galactic(ra, dec)
    expected = SkyCoord(longitude_deg, latitude_deg, unit="deg", frame="galactic").icrs
    assert separation_deg(ra, dec, expected.ra.deg, expected.dec.deg) < 2e-5
    assert 0 <= longitude_deg < 360


@given(dec=st.floats(-90, 90), angle=st.floats(0, 89))
def test_the_separation_along_a_meridian_is_exact(dec: float, angle: float) -> None:
    to = dec - math.copysign(angle, dec)
    assert separation_deg(12.0, dec, 372.0, to) == pytest.approx(angle, rel=1e-9, abs=1e-12)


@settings(max_examples=examples(50))
@given(RA, DEC, RA, DEC)
def test_a_shift_in_the_plane_of_a_field_leaves_the_far_hemisphere_where_it_is(
    ra: float, dec: float, field_ra: float, field_dec: float
) -> None:
    away_deg = separation_deg(ra, dec, field_ra, field_dec)
    assume(abs(away_deg - 90) > 5)
    moved = move_in_plane(
        np.array([ra]), np.array([dec]), centre=(field_ra, field_dec), offset_deg=(1e-4, -1e-4)
    )
    # An offset of the plane is a longer way on the sky where that is steep.
    assert separation_deg(ra, dec, float(moved[0][0]), float(moved[1][0])) < 2e-3
