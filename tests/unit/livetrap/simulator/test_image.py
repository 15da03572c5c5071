"""Images that astropy reads and whose pixels are what the truth says."""

import io
import itertools

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.image import ImageRenderer, SimulatedImage, iterate_images
from livetrap.simulator.truth import truth

FIELDS = ("ordinary", "0h", "pole")


def _open(image: SimulatedImage) -> fits.PrimaryHDU:
    with fits.open(io.BytesIO(image.data), memmap=False) as hdus:
        hdus.verify("exception")
        return hdus[0].copy()


def test_images_come_in_time_order_band_by_band():
    images = list(iterate_images(SimulatorConfig(images=2, size=128, n_steady=2, n_faint=0)))
    assert [image.timestep for image in images] == [0] * 4 + [1] * 4
    assert [image.band for image in images[:4]] == ["124MHz", "149MHz", "156MHz", "185MHz"]
    assert len({image.sha256 for image in images}) == 8


def test_the_same_seed_gives_the_same_bytes_and_another_another():
    def first_bytes(seed: int) -> bytes:
        return next(iterate_images(SimulatorConfig(seed=seed))).data

    assert first_bytes(5) == first_bytes(5)
    assert first_bytes(5) != first_bytes(6)


def test_an_image_does_not_depend_on_those_before_it():
    config = SimulatorConfig(images=9, size=256)
    in_order = list(iterate_images(config))[-1]
    assert ImageRenderer(config).render(8, 3).data == in_order.data


def test_an_endless_run_does_not_end():
    images = iterate_images(
        SimulatorConfig(
            images=0,
            size=64,
            n_steady=0,
            n_variable=0,
            n_faint=0,
            n_transient=0,
            bands_hz=(149e6,),
        )
    )
    assert [image.timestep for image in itertools.islice(images, 120)][-1] == 119


@pytest.mark.parametrize("four_axes", [False, True])
def test_the_header_is_complete(*, four_axes: bool):
    config = SimulatorConfig(four_axes=four_axes, cadence_s=2.0)
    image = ImageRenderer(config).render(3, 0)
    hdu = _open(image)
    header = hdu.header
    assert len(image.data) % 2880 == 0
    assert hdu.data.shape == ((1, 1, 256, 256) if four_axes else (256, 256))
    assert hdu.data.dtype == np.dtype(">f4")
    assert header["BMAJ"] == pytest.approx(5 * 30 / 3600)
    assert header["BMIN"] == pytest.approx(4 * 30 / 3600)
    assert (header["BPA"], header["RESTFRQ"], header["RESTBW"]) == (30.0, 124e6, 2e6)
    assert (header["EXPTIME"], header["BUNIT"]) == (2.0, "JY/BEAM")
    assert header["DATE-OBS"] == "2026-01-01T00:00:06.000000"
    assert Time(header["DATE-OBS"], scale="utc").datetime.second == 6
    wcs = WCS(header)
    assert wcs.celestial.wcs.ctype[0] == "RA---SIN"
    if four_axes:
        assert wcs.spectral.all_pix2world(0, 0)[0] == pytest.approx(124e6)


@pytest.mark.parametrize("field", FIELDS)
def test_the_truth_matches_the_pixels(field: str):
    config = SimulatorConfig(images=30, size=256, field=field)  # type: ignore[arg-type]
    renderer = ImageRenderer(config)
    for row in truth(config):
        for band_index, rms in enumerate(config.rms_by_band_jy_beam):
            pixels = renderer.render_pixels(row.timestep_peak, band_index)
            value = pixels[round(row.y_px), round(row.x_px)]
            flux = row.flux_peak_jy_beam[band_index]
            # Half a pixel off the peak in each axis costs at most 8 %.
            assert 0.9 * flux - 5 * rms < value < flux + 5 * rms


@pytest.mark.parametrize("field", FIELDS)
def test_the_truth_positions_are_those_of_the_header(field: str):
    config = SimulatorConfig(size=512, field=field)  # type: ignore[arg-type]
    wcs = WCS(_open(ImageRenderer(config).render(0, 0)).header)
    rows = truth(config)
    x_px, y_px = wcs.all_world2pix([r.ra for r in rows], [r.dec for r in rows], 0)
    np.testing.assert_allclose(x_px, [r.x_px for r in rows], atol=1e-6)
    np.testing.assert_allclose(y_px, [r.y_px for r in rows], atol=1e-6)


def test_field_0h_lies_on_both_sides_of_ra_0():
    ras = [row.ra for row in truth(SimulatorConfig(field="0h"))]
    assert min(ras) < 10
    assert max(ras) > 350
    assert all(0 <= ra < 360 for ra in ras)


def test_field_pole_has_the_pole_inside():
    rows = truth(SimulatorConfig(size=512, field="pole"))
    ras = sorted(row.ra for row in rows)
    assert max(b - a for a, b in itertools.pairwise(ras)) < 90
    assert max(row.dec for row in rows) > 89.5


def test_rms_is_that_of_the_band_and_flux_is_unbiased():
    config = SimulatorConfig(size=512, n_steady=40, n_variable=0, n_faint=0, images=5)
    renderer = ImageRenderer(config)
    planes = np.stack([renderer.render_pixels(t, 0) for t in range(5)])
    rms = config.rms_by_band_jy_beam[0]
    assert (planes[0] - planes[1]).std() / np.sqrt(2) == pytest.approx(rms, rel=0.03)
    mean = planes.mean(axis=0)
    empty = ImageRenderer(SimulatorConfig(size=512, n_steady=0, n_variable=0, n_faint=0, images=5))
    only_noise = np.stack([empty.render_pixels(t, 0) for t in range(5)]).mean(axis=0)
    # The same seed draws the same noise: what remains is the sources alone.
    sky = mean - only_noise
    beam_area_px = np.pi * 5.0 * 4.0 / (4 * np.log(2))
    total = sum(row.flux_peak_jy_beam[0] for row in truth(config))
    assert sky.sum() / beam_area_px == pytest.approx(total, rel=1e-3)
