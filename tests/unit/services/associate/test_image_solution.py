"""Shift and flux factor of whole images: found, whatever else is in the field."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.settings import AssociateSettings
from schemas.messages import ForcedColumns, ForcedMeasurements, ImageDetections
from services.associate.models.catalogue import SOURCE_DTYPE, STATISTICS_DTYPE, CatalogueState
from services.associate.models.solutions import ImageSolution
from services.associate.steps.calibration import (
    calibrate_forced,
    calibrate_image,
    needs_wider_search,
    solve_timestep,
    to_image_frame,
)
from services.associate.steps.image_solution import FluxPairs, find_flux_factor, find_shift
from sky.geometry import move_in_plane, tangent_offsets
from tests.support.records import BEAM_MAJOR_DEG, image, sources
from tests.support.timesteps import state_of, timestep_of

SETTINGS = AssociateSettings()
ERR_DEG = 2 / 3600
RNG_SEEDS = st.integers(0, 2**32 - 1)
CENTRES = [(123.0, 10.0), (0.01, -30.0), (77.0, 90.0), (200.0, -89.5)]


def field(
    seed: int, n: int, centre: tuple[float, float] = CENTRES[0], width_deg: float = 8.0
) -> tuple[np.random.Generator, np.ndarray, np.ndarray, np.ndarray]:
    """Return a catalogue of sources at random places around a centre, and their fluxes [Jy]."""
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-width_deg / 2, width_deg / 2, (2, n))
    at = np.full(n, centre[0]), np.full(n, centre[1])
    ra, dec = move_in_plane(*at, centre=centre, offset_deg=(east, north))
    flux = 0.02 * rng.pareto(1.0, n).clip(0, 500) + 0.02
    return rng, ra, dec, flux


def catalogue(
    record: ImageDetections, ra: np.ndarray, dec: np.ndarray, flux: np.ndarray
) -> CatalogueState:
    """Return a state with the sources, ten measurements each."""
    timestep = timestep_of(record)
    rows, table = np.zeros(ra.size, SOURCE_DTYPE), np.zeros(ra.size, STATISTICS_DTYPE)
    rows["id"] = table["source_id"] = 1 + np.arange(ra.size)
    rows["ra"], rows["dec"] = ra, dec
    rows["weight_ra"] = rows["weight_dec"] = 10 / ERR_DEG**2
    rows["n_datapoints"] = table["n_datapoints"] = 10
    table["flux_peak_wmean_jy_beam"] = flux
    table["flux_peak_weight"] = 10 / 1e-3**2
    return state_of(timestep, rows, statistics={"I": table})


def observe(
    seed_rng: np.random.Generator,
    sky: tuple[np.ndarray, np.ndarray, np.ndarray],
    centre: tuple[float, float],
    *,
    shift_beams: tuple[float, float] = (0.0, 0.0),
    factor: float = 1.0,
) -> ImageDetections:
    """Return the record of an image that is shifted and scaled, with noise."""
    ra, dec, flux = sky
    noise = seed_rng.normal(0, ERR_DEG, (2, ra.size))
    offset = noise + BEAM_MAJOR_DEG * np.array(shift_beams)[:, None]
    moved = move_in_plane(ra, dec, centre=centre, offset_deg=(offset[0], offset[1]))
    measured = sources(
        list(zip(*(each.tolist() for each in moved), strict=True)),
        flux_jy=(flux + seed_rng.normal(0, 1e-3, ra.size)) * factor,
        flux_err_jy=1e-3 * factor,
        pos_err_arcsec=3600 * ERR_DEG,
        rms_jy_beam=1e-3 * factor,
    )
    return image(1, measured, centre=centre, rms_jy_beam=1e-3 * factor)


def solve(record: ImageDetections, state: CatalogueState) -> ImageSolution:
    timestep = timestep_of(record)
    [solution] = solve_timestep(timestep, state, SETTINGS, radius_deg=3 * BEAM_MAJOR_DEG)
    return solution


@given(
    seed=RNG_SEEDS,
    n=st.integers(20, 250),
    centre=st.sampled_from(CENTRES),
    angle=st.floats(0, 2 * np.pi),
    size_beams=st.floats(0.5, 2.0),
    factor=st.sampled_from([1 / 1.5, 1.0, 1.5]),
)
def test_a_shifted_and_scaled_image_is_solved_and_mended(
    seed: int, n: int, centre: tuple[float, float], angle: float, size_beams: float, factor: float
) -> None:
    rng, ra, dec, flux = field(seed, n, centre)
    varied = flux * np.where(np.arange(n) < n // 5, rng.uniform(0.3, 4, n), 1.0)
    shift = size_beams * np.cos(angle) * 0.99, size_beams * np.sin(angle) * 0.99
    record = observe(rng, (ra, dec, varied), centre, shift_beams=shift, factor=factor)
    solution = solve(record, catalogue(record, ra, dec, flux))
    assert solution.shift_status == solution.flux_status == "solved"
    assert solution.shift_east_arcsec == pytest.approx(3600 * BEAM_MAJOR_DEG * shift[0], abs=5)
    assert solution.shift_north_arcsec == pytest.approx(3600 * BEAM_MAJOR_DEG * shift[1], abs=5)
    assert solution.flux_factor == pytest.approx(factor, rel=0.06)
    assert solution.is_shift_applied
    mended = calibrate_image(record, solution, SETTINGS)
    east, north = tangent_offsets(ra, dec, mended.sources.ra, mended.sources.dec)
    assert np.hypot(east, north).max() < 10 / 3600
    assert mended.rms_jy_beam == pytest.approx(1e-3, rel=0.06)
    back = to_image_frame(record, solution, mended.sources.ra, mended.sources.dec)
    east, north = tangent_offsets(record.sources.ra, record.sources.dec, *back)
    assert np.hypot(east, north).max() < 1e-6


@given(seed=RNG_SEEDS, n=st.integers(5, 200))
def test_an_image_in_place_stays_what_it_is_within_its_noise(seed: int, n: int) -> None:
    rng, ra, dec, flux = field(seed, n)
    record = observe(rng, (ra, dec, flux), CENTRES[0])
    solution = solve(record, catalogue(record, ra, dec, flux))
    mended = calibrate_image(record, solution, SETTINGS)
    assert mended.verdict == "accepted"
    east, north = tangent_offsets(
        record.sources.ra, record.sources.dec, mended.sources.ra, mended.sources.dec
    )
    assert np.hypot(east, north).max() <= 6 * ERR_DEG
    ratio = mended.sources.flux_peak_jy_beam / record.sources.flux_peak_jy_beam
    assert np.all(np.abs(ratio - 1) < 0.15)


@given(seed=RNG_SEEDS, n_new=st.integers(1, 60))
def test_new_sources_and_a_crowd_of_faint_ones_do_not_move_the_image(
    seed: int, n_new: int
) -> None:
    rng, ra, dec, flux = field(seed, 600, width_deg=2.0)
    seen = slice(0, 120)
    _, new_ra, new_dec, new_flux = field(seed + 1, n_new, width_deg=2.0)
    everything = (
        np.concatenate([ra[seen], new_ra]),
        np.concatenate([dec[seen], new_dec]),
        np.concatenate([flux[seen], 10 * new_flux]),
    )
    record = observe(rng, everything, CENTRES[0], shift_beams=(0.7, -0.4))
    solution = solve(record, catalogue(record, ra, dec, flux))
    assert solution.shift_status == "solved"
    assert solution.shift_east_arcsec == pytest.approx(3600 * BEAM_MAJOR_DEG * 0.7, abs=5)
    assert solution.shift_north_arcsec == pytest.approx(-3600 * BEAM_MAJOR_DEG * 0.4, abs=5)


def test_five_sources_of_which_two_flare_give_the_shift_and_leave_the_flares() -> None:
    rng, ra, dec, flux = field(3, 5)
    flare = flux * np.array([1, 8, 1, 5, 1])
    record = observe(rng, (ra, dec, flare), CENTRES[0], shift_beams=(1.0, 0.5))
    solution = solve(record, catalogue(record, ra, dec, flux))
    assert solution.shift_status == "solved"
    assert solution.is_shift_applied
    mended = calibrate_image(record, solution, SETTINGS).sources.flux_peak_jy_beam
    assert mended[1] / flux[1] == pytest.approx(8, rel=0.2)
    assert mended[3] / flux[3] == pytest.approx(5, rel=0.2)


def test_a_field_without_enough_sources_says_so() -> None:
    rng, ra, dec, flux = field(4, 4)
    record = observe(rng, (ra, dec, flux), CENTRES[0], shift_beams=(1.0, 0.0))
    solution = solve(record, catalogue(record, ra, dec, flux))
    assert solution == ImageSolution(shift_status="too_few_sources")
    assert calibrate_image(record, solution, SETTINGS) is record


def test_positions_that_agree_on_no_shift_are_no_match() -> None:
    rng, ra, dec, flux = field(5, 400, width_deg=2.0)
    _, other_ra, other_dec, _ = field(6, 400, width_deg=2.0)
    record = observe(rng, (other_ra, other_dec, flux), CENTRES[0])
    solution = solve(record, catalogue(record, ra, dec, flux))
    assert solution.shift_status == "no_match"
    assert needs_wider_search(timestep_of(record), [solution], SETTINGS)


def test_an_image_beyond_the_limits_is_rejected_with_the_reasons() -> None:
    rng, ra, dec, flux = field(7, 100)
    record = observe(rng, (ra, dec, flux), CENTRES[0], shift_beams=(2.2, 0.0), factor=3.0)
    solution = solve(record, catalogue(record, ra, dec, flux))
    assert not solution.is_shift_applied
    assert not solution.is_flux_factor_applied
    refused = calibrate_image(record, solution, SETTINGS)
    assert refused.verdict == "rejected"
    assert refused.reasons == ("astrometry_off", "flux_scale_off")
    assert "arcsec from the catalogue's" in (refused.reason_text or "")
    assert len(refused.sources) == 0


def test_switched_off_nothing_is_solved() -> None:
    rng, ra, dec, flux = field(8, 50)
    record = observe(rng, (ra, dec, flux), CENTRES[0], shift_beams=(1.0, 0.0))
    timestep = timestep_of(record)
    off = AssociateSettings(image_solution=False)
    state = catalogue(record, ra, dec, flux)
    assert solve_timestep(timestep, state, off, radius_deg=1.0) == [ImageSolution()]


@given(seed=RNG_SEEDS, n=st.integers(1, 30), m=st.integers(1, 30))
def test_the_densest_offset_is_that_of_every_pair_counted_one_by_one(
    seed: int, n: int, m: int
) -> None:
    rng = np.random.default_rng(seed)
    detections, catalogued = rng.uniform(-1, 1, (n, 2)), rng.uniform(-1, 1, (m, 2))
    found = find_shift(
        detections, catalogued, radius_deg=0.5, tolerance_deg=0.25, err_deg=0.01, min_sources=1
    )
    squares: dict[tuple[int, int], set[int]] = {}
    near = set()
    for i, detection in enumerate(detections):
        for source in catalogued:
            offset = detection - source
            if np.hypot(*offset) > 0.5:
                continue
            near.add(i)
            column, row = (int(np.floor(each / 0.25)) for each in offset)
            for corner in ((0, 0), (-1, 0), (0, -1), (-1, -1)):
                squares.setdefault((column + corner[0], row + corner[1]), set()).add(i)
    assert found.n_near == len(near)
    most = max((len(members) for members in squares.values()), default=0)
    if found.detection is not None:
        assert most >= max(1, 0.5 * len(near))
        assert np.unique(found.detection).size == found.detection.size
        assert np.hypot(found.east_deg, found.north_deg) <= 0.5 + 0.25


def find_factor(seed: int, n: int, factor: float, part: float) -> float:
    """Return the factor of a field, a part of whose sources is 2 to 20 times brighter."""
    rng = np.random.default_rng(seed)
    flux = rng.uniform(10, 1000, n)
    seen = factor * (flux + rng.normal(0, 1, n))
    n_variable = int(part * n)
    seen[:n_variable] *= rng.uniform(2, 20, n_variable)
    pairs = FluxPairs(seen, np.full(n, factor), flux, np.full(n, 0.3))
    found = find_flux_factor(pairs, min_sources=5)
    assert found is not None
    return found[0]


@given(seed=RNG_SEEDS, n=st.integers(5, 300), factor=st.floats(0.2, 5), part=st.floats(0, 0.3))
def test_a_flux_factor_is_that_of_the_constant_sources_or_refused(
    seed: int, n: int, factor: float, part: float
) -> None:
    found = find_factor(seed, n, factor, part)
    assert found == 0 or found == pytest.approx(factor, rel=0.12)


@pytest.mark.parametrize("n", [5, 7, 10, 14, 17, 30])
def test_a_factor_is_refused_in_less_than_one_of_a_hundred_fields(n: int) -> None:
    found = [find_factor(seed, n, 1.3, 0.3) for seed in range(300)]
    assert sum(factor == 0 for factor in found) < 3


def test_ratios_that_agree_on_nothing_give_no_factor() -> None:
    flux = np.full(40, 100.0)
    seen = flux * np.geomspace(0.05, 20, 40)
    found = find_flux_factor(FluxPairs(seen, flux / 100, flux, flux / 100), min_sources=5)
    assert found is not None
    assert found[0] == 0.0
    few = FluxPairs(seen[:4], flux[:4], flux[:4], flux[:4])
    assert find_flux_factor(few, min_sources=5) is None


def test_a_forced_result_is_mended_like_the_image() -> None:
    rng, ra, dec, flux = field(9, 50)
    record = observe(rng, (ra, dec, flux), CENTRES[0], shift_beams=(1.0, -1.0), factor=1.5)
    solution = solve(record, catalogue(record, ra, dec, flux))
    in_image = to_image_frame(record, solution, ra, dec)
    result = ForcedMeasurements(
        image_id=record.image_id,
        stream="test",
        source=record.source,
        measurements=ForcedColumns(
            position_id=1 + np.arange(ra.size),
            extraction_type=("forced",) * ra.size,
            ra=in_image[0],
            dec=in_image[1],
            flux_peak_jy_beam=1.5 * flux,
            flux_peak_err_jy_beam=np.full(ra.size, 1.5e-3),
            rms_local_jy_beam=np.full(ra.size, 1.5e-3),
            reason=("",) * ra.size,
        ),
    )
    mended = calibrate_forced(result, solution, CENTRES[0]).measurements
    east, north = tangent_offsets(ra, dec, mended.ra, mended.dec)
    assert np.hypot(east, north).max() < 1e-9
    assert mended.flux_peak_jy_beam == pytest.approx(flux, rel=0.02)
    assert calibrate_forced(result, replace(solution, is_shift_applied=False,
                                            is_flux_factor_applied=False),
                            CENTRES[0]) is result  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_noise_of_the_brightest_detections_is_no_flux_factor(seed: int) -> None:
    rng, ra, dec, _ = field(seed, 3000)
    flux = np.full(ra.size, 0.02)
    record = observe(rng, (ra, dec, flux), CENTRES[0])
    means = flux + rng.normal(0, 1e-3 / 10**0.5, ra.size)
    solution = solve(record, catalogue(record, ra, dec, means))
    assert solution.flux_status == "solved"
    assert solution.flux_factor == pytest.approx(1.0, abs=5 * solution.flux_factor_err)
    assert not solution.is_flux_factor_applied
