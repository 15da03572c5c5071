"""A mosaic's sources have the shape of the beam that its map gives at their place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from runtime.errors import SettingsError
from runtime.settings import ExtractSettings, ImageLimits
from schemas.quality import QualityFlag
from services.extract.errors import RejectedImageError
from services.extract.models import FinderParameters, Image
from services.extract.steps.beam_map import BeamMap, read_beam_map, with_beam_map
from services.extract.steps.catalogue import extract_sources, to_shapes
from services.extract.steps.ellipses import header_beam, to_beam_shape
from services.extract.steps.forced import measure_positions
from services.extract.steps.image import open_image
from services.extract.steps.measurement import ImageMeasurer
from sky.wcs import SkyProjection
from tests.support.fits_images import make

SIZE, NOISE = 160, 1e-3
PARAMETERS = FinderParameters(margin_px=0)
PLACES = [(30.2, 40.7), (85.4, 31.1), (130.6, 60.3), (41.1, 120.9), (120.3, 125.2), (126.1, 125.9)]


def axes_at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return BMAJ, BMIN [deg] and BPA [deg] of a beam that grows along x and turns along y."""
    return np.stack(
        [0.045 + 2e-4 * x, np.full_like(x, 0.035), 10.0 + 0.5 * y]
    )  # BPA: north is up and east is to the left.


def write_map(path: Path, planes: np.ndarray | None = None, **cards: object) -> Path:
    if planes is None:
        y, x = np.mgrid[:SIZE, :SIZE].astype(float)
        planes = axes_at(x, y)
    path.write_bytes(make(planes.astype("f4"), **({"CRPIX1": 80.0, "CRPIX2": 80.0} | cards)))
    return path


def mosaic(**cards: object) -> Image:
    """Return sources of 1 Jy/beam; the header has the beam at none of their places."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    pixels = np.random.default_rng(3).normal(0, NOISE, (SIZE, SIZE))
    for x0, y0 in PLACES:
        major, minor, pa = axes_at(np.float64(x0), np.float64(y0))
        pa_rad = np.radians(pa)
        east, north = -(x - x0) * 0.01, (y - y0) * 0.01
        along = east * np.sin(pa_rad) + north * np.cos(pa_rad)
        across = east * np.cos(pa_rad) - north * np.sin(pa_rad)
        pixels += np.exp(-4 * np.log(2) * ((along / major) ** 2 + (across / minor) ** 2))
    header = {"CRPIX1": 80.0, "CRPIX2": 80.0, "CRVAL2": 0.0, "BMAJ": 0.05, "BMIN": 0.04}
    return open_image(make(pixels.astype("f4"), **(header | cards)), {})


@pytest.fixture
def beam_map(tmp_path: Path) -> BeamMap:
    return read_beam_map(write_map(tmp_path / "psf.fits", CRVAL2=0.0), name="--psf-map")


def test_every_source_has_the_beam_of_its_place(beam_map: BeamMap) -> None:
    image = with_beam_map(mosaic(), beam_map)
    extraction = extract_sources(image, PARAMETERS)
    found, sources = extraction.found, extraction.sources
    assert len(sources) == len(PLACES)
    order = [np.argmin(np.hypot(found.x - x, found.y - y)) for x, y in PLACES]
    np.testing.assert_allclose(np.stack([found.x, found.y])[:, order].T, PLACES, atol=0.01)
    np.testing.assert_allclose(sources.flux_peak_jy_beam, 1.0, rtol=6e-3)
    np.testing.assert_allclose(sources.flux_int_jy, sources.flux_peak_jy_beam, rtol=1e-12)
    assert not (sources.quality_flags & (QualityFlag.EXTENDED | QualityFlag.POOR_FIT)).any()
    major, minor, pa = axes_at(*np.array(PLACES).T)
    np.testing.assert_allclose(sources.major_arcsec[order], 3600 * major, rtol=5e-3)
    np.testing.assert_allclose(sources.minor_arcsec[order], 3600 * minor, rtol=5e-3)
    np.testing.assert_allclose(sources.pa_deg[order], pa, atol=0.6)
    assert (to_shapes(image, found).major_dc_arcsec == 0).all()


def test_without_the_map_the_same_image_is_measured_wrong() -> None:
    sources = extract_sources(mosaic(), PARAMETERS).sources
    assert np.abs(sources.flux_int_jy - 1.0).max() > 0.1
    assert (sources.quality_flags & (QualityFlag.EXTENDED | QualityFlag.POOR_FIT)).any()


def test_forced_fluxes_have_the_beam_of_their_place(beam_map: BeamMap) -> None:
    image = with_beam_map(mosaic(), beam_map)
    extraction = extract_sources(image, PARAMETERS)
    ra, dec = image.projection.to_sky(*np.array([*PLACES, (-50.0, 3.0)]).T)
    fluxes = measure_positions(image, extraction, ra, dec)
    assert fluxes.reason == ("",) * len(PLACES) + ("outside",)
    np.testing.assert_allclose(fluxes.flux_peak_jy_beam[:-1], 1.0, rtol=6e-3)
    none = measure_positions(image, extraction, ra[:0], dec[:0])
    assert none.flux_peak_jy_beam.size == 0


@given(
    turn_deg=st.floats(-180, 180),
    pa_deg=st.floats(0, 179.9),
    ratio=st.floats(1.0, 5.0),
    dec=st.floats(-80, 80),
)
def test_a_map_of_the_headers_beam_changes_nothing_at_the_reference_pixel(
    turn_deg: float, pa_deg: float, ratio: float, dec: float
) -> None:
    beam = {"BMAJ": 0.03 * ratio, "BMIN": 0.03, "BPA": pa_deg}
    image = open_image(make(CRVAL2=dec, CROTA2=turn_deg, **beam), {})
    major, minor, pa = beam.values()
    sin, cos = np.sin(np.radians(pa)), np.cos(np.radians(pa))
    moments = np.array(
        [
            (major * sin) ** 2 + (minor * cos) ** 2,
            (major * cos) ** 2 + (minor * sin) ** 2,
            (major**2 - minor**2) * sin * cos,
        ]
    )
    whole = np.tile(moments[:, None, None], (1, 64, 64))
    beam_map = BeamMap(Path("psf.fits"), whole, image.projection)
    local = to_beam_shape(with_beam_map(image, beam_map))
    at = np.array([31.0])
    np.testing.assert_allclose(
        local.quadratics(at, at)[0], header_beam(image).quadratic, rtol=1e-5, atol=1e-7
    )


def test_between_the_pixels_of_the_map_moments_are_bilinear() -> None:
    rng = np.random.default_rng(4)
    moments = rng.uniform(1, 2, (3, 7, 9))
    image = open_image(make(CRPIX1=5.0, CRPIX2=4.0), {})
    projection = SkyProjection.of(image.wcs_header)
    x, y = rng.uniform(0, 8, 50), rng.uniform(0, 6, 50)
    found = BeamMap(Path("psf.fits"), moments, projection).at(*projection.to_sky(x, y))
    expected = np.stack([map_coordinates(each, [y, x], order=1) for each in moments], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_where_the_map_is_blank_the_beam_is_that_of_the_header(tmp_path: Path) -> None:
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    planes = axes_at(x, y)
    planes[:, :, :100] = np.nan
    path = write_map(tmp_path / "psf.fits", planes, CRVAL2=0.0)
    image = with_beam_map(mosaic(), read_beam_map(path, name="--psf-map"))
    beam = to_beam_shape(image)
    at_left, at_right = beam.quadratics(np.array([50.0, 130.0]), np.array([60.0, 60.0]))
    np.testing.assert_allclose(at_left, header_beam(image).quadratic)
    assert at_right[2] != pytest.approx(at_left[2], rel=0.05)


def test_the_service_measures_with_the_map_of_its_settings(tmp_path: Path) -> None:
    path = write_map(tmp_path / "psf.fits", CRVAL2=0.0)
    settings = ExtractSettings(psf_map=path)
    assert ImageMeasurer(settings, ImageLimits(max_image_bytes=1 << 20))
    with pytest.raises(SettingsError, match=r"PSF_MAP .*absent\.fits cannot be read: No such"):
        ImageMeasurer(
            ExtractSettings(psf_map=tmp_path / "absent.fits"), ImageLimits(max_image_bytes=1 << 20)
        )


@pytest.mark.parametrize(
    ("planes", "cards", "text"),
    [
        (np.ones((2, 8, 8)), {}, "has 2 planes; give a cube of three: BMAJ, BMIN and BPA"),
        (np.full((3, 8, 8), np.nan), {}, "is blank everywhere"),
        (np.ones((3, 8, 8)) * [[[1]], [[2]], [[3]]], {}, "column 1, row 1 the planes are 1, 2, 3"),
        (np.ones((3, 8, 8)), {"CTYPE1": "LINEAR"}, "CTYPE"),
    ],
)
def test_what_is_no_map_is_said_in_words(
    planes: np.ndarray, cards: dict[str, object], text: str, tmp_path: Path
) -> None:
    path = write_map(tmp_path / "psf.fits", planes, **cards)
    with pytest.raises(SettingsError, match=text):
        read_beam_map(path, name="--psf-map")
    path.write_bytes(b"no image")
    with pytest.raises(SettingsError, match=r"--psf-map .*psf\.fits: "):
        read_beam_map(path, name="--psf-map")


def in_arcsec(planes: np.ndarray) -> np.ndarray:
    return planes * np.array([3600, 3600, 1])[:, None, None]


@pytest.mark.parametrize(
    ("change", "cards", "text"),
    [
        (lambda planes: planes[:, :, :100], {}, "ends before the image does"),
        (lambda planes: planes, {"CRVAL1": 190.0}, "lies elsewhere on the sky"),
        (in_arcsec, {}, "must be BMAJ, BMIN and BPA in degrees"),
    ],
)
def test_a_map_that_does_not_fit_the_image_is_said_in_words(
    change: Callable[[np.ndarray], np.ndarray],
    cards: dict[str, object],
    text: str,
    tmp_path: Path,
) -> None:
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    path = write_map(tmp_path / "psf.fits", change(axes_at(x, y)), **({"CRVAL2": 0.0} | cards))
    with pytest.raises(RejectedImageError, match=text):
        with_beam_map(mosaic(), read_beam_map(path, name="--psf-map"))


def test_pixels_per_pixel_have_no_map(beam_map: BeamMap) -> None:
    with pytest.raises(RejectedImageError, match="needs pixels in Jy/beam"):
        with_beam_map(mosaic(BUNIT="Jy/pixel"), beam_map)
