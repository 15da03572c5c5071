"""Whole images in, calibrated sources on the sky out."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from livetrap.simulator import SimulatorConfig, iterate_images, truth
from schemas.messages import SourceColumns
from schemas.quality import QualityFlag
from services.extract.models import FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image

pytestmark = pytest.mark.compiled_kernels

DATA = Path(__file__).parents[3] / "data"
PARAMETERS = FinderParameters()


def extract(data: bytes, **cards: str) -> SourceColumns:
    return extract_sources(open_image(data, cards), PARAMETERS).sources


def test_real_image_agrees_with_its_selavy_catalogue() -> None:
    found = extract((DATA / "vast_epoch01.fits").read_bytes())
    # Selavy writes FK5 positions; FK5 and ICRS differ by 0.02 arcsec.
    ours = SkyCoord(found.ra, found.dec, unit="deg")
    rows = list(csv.DictReader((DATA / "vast_epoch01.selavy.csv").read_text().splitlines()))
    # The file's first row is an example from another field.
    bright = [
        row
        for row in rows
        if row["island_id"].startswith("island")
        and float(row["flux_peak"]) > 10 * float(row["rms_image"])
    ]
    assert len(bright) >= 4
    for row in bright:
        selavy = SkyCoord(
            float(row["ra_deg_cont"]), float(row["dec_deg_cont"]), unit="deg", frame="fk5"
        ).icrs
        distance = ours.separation(selavy).arcsec
        nearest = int(np.argmin(distance))
        assert distance[nearest] < 0.02
        assert found.flux_peak_jy_beam[nearest] == pytest.approx(
            float(row["flux_peak"]) / 1e3, rel=0.002
        )


@pytest.mark.parametrize("field", ["ordinary", "0h", "pole"])
def test_errors_are_those_of_repeated_measurements_anywhere_on_the_sky(field: str) -> None:
    config = SimulatorConfig(images=12, size=512, bands_hz=(149e6,), field=field, seed=3)  # type: ignore[arg-type]
    steady = [row for row in truth(config) if row.kind == "steady"]
    true = SkyCoord([row.ra for row in steady], [row.dec for row in steady], unit="deg")
    flux = np.array([row.flux_peak_jy_beam[0] for row in steady])
    east, north, peak = [], [], []
    for image in iterate_images(config):
        found = extract(image.data)
        ours = SkyCoord(found.ra, found.dec, unit="deg")
        index, separation, _ = true.match_to_catalog_sky(ours)
        assert np.mean(separation.arcsec < 60) > 0.98
        near = separation.arcsec < 60
        d_east, d_north = true[near].spherical_offsets_to(ours[index[near]])
        east.extend(d_east.deg / found.ra_err_deg[index[near]])
        north.extend(d_north.deg / found.dec_err_deg[index[near]])
        peak.extend(
            (found.flux_peak_jy_beam[index[near]] - flux[near])
            / found.flux_peak_err_jy_beam[index[near]]
        )
    for pulls in (east, north, peak):
        assert len(pulls) > 200
        assert abs(np.mean(pulls)) < 0.25
        assert 0.8 < np.std(pulls) < 1.2


def test_the_same_bytes_give_the_same_numbers() -> None:
    data = (DATA / "vast_epoch01.fits").read_bytes()
    first, second = extract(data), extract(data)
    np.testing.assert_array_equal(first.ra, second.ra)
    np.testing.assert_array_equal(first.flux_peak_jy_beam, second.flux_peak_jy_beam)


def test_scaling_the_image_scales_the_fluxes() -> None:
    config = SimulatorConfig(images=1, size=256, bands_hz=(149e6,))
    (image,) = iterate_images(config)
    plain = extract(image.data)
    scaled = extract(image.data, BSCALE="4.0")
    np.testing.assert_allclose(scaled.flux_peak_jy_beam, 4 * plain.flux_peak_jy_beam, rtol=1e-5)
    np.testing.assert_allclose(scaled.ra, plain.ra)
    np.testing.assert_allclose(scaled.snr, plain.snr, rtol=1e-5)


def test_rotating_the_sky_rotates_the_positions() -> None:
    config = SimulatorConfig(images=1, size=256, bands_hz=(149e6,))
    (image,) = iterate_images(config)
    plain, moved = extract(image.data), extract(image.data, CRVAL1="0.001")
    shift = (moved.ra - plain.ra) % 360
    np.testing.assert_allclose(shift, shift[0], atol=1e-9)
    np.testing.assert_allclose(moved.dec, plain.dec, atol=1e-12)


def test_no_source_is_reported_in_the_margin() -> None:
    (image,) = iterate_images(SimulatorConfig(images=1, size=256, bands_hz=(149e6,)))
    opened = open_image(image.data, {})
    found = extract_sources(opened, FinderParameters(margin_px=60)).sources
    x, y = opened.projection.to_pixel(found.ra, found.dec)
    assert np.all((x > 58) & (x < 198) & (y > 58) & (y < 198))


def test_the_free_fit_agrees_with_the_beam_on_point_sources() -> None:
    (image,) = iterate_images(SimulatorConfig(images=1, size=512, bands_hz=(149e6,)))
    opened = open_image(image.data, {})
    free = extract_sources(opened, FinderParameters(force_beam=False)).sources
    good = (free.snr > 30) & (free.quality_flags & int(QualityFlag.FIT_FAILED) == 0)
    assert good.sum() > 5
    ratio = free.flux_int_jy[good] / free.flux_peak_jy_beam[good]
    assert abs(np.median(ratio) - 1) < 0.1


def test_metadata_of_a_real_image_are_read() -> None:
    metadata = open_image((DATA / "vast_epoch01.fits").read_bytes(), {}).metadata
    assert metadata.time_start == datetime(2020, 8, 3, 4, 33, 55, 479000, tzinfo=UTC)
    assert metadata.freq_eff_hz == 888e6
    assert metadata.beam_major_deg * 3600 == pytest.approx(15)
    assert metadata.beam_minor_deg * 3600 == pytest.approx(10)
    assert metadata.stokes == "I"
