"""Every kind of bad image is rejected with its own reason code; unusual valid ones are read."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from runtime.kafka import InMessage
from runtime.settings import ExtractSettings, IngestSettings
from services.extract.errors import RejectedImageError
from services.extract.steps.image import open_image
from services.extract.steps.image_message import read_message
from services.extract.steps.measurement import ImageMeasurer
from services.extract.steps.records import to_rejection_record
from tests.support.fits_images import BAD_IMAGES, CARDS, make, pixels, write
from tests.support.mutants import image_mutant

DATA = Path(__file__).parents[3] / "data"


@pytest.mark.parametrize(("code", "data"), BAD_IMAGES)
def test_a_bad_image_is_rejected_with_its_code(code: str, data: bytes) -> None:
    with pytest.raises(RejectedImageError, match=r".{20}") as caught:
        open_image(data, {})
    assert caught.value.reason_code == code


def test_the_real_file_without_metadata_is_rejected() -> None:
    with pytest.raises(RejectedImageError, match="time of day"):
        open_image((DATA / "missing_metadata.fits").read_bytes(), {})


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_every_pixel_type_is_read(dtype: str) -> None:
    array = np.abs(pixels()).clip(0, 255).astype(dtype)
    np.testing.assert_array_equal(open_image(make(array), {}).pixels, array.astype("f4"))


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 1, 64, 64)])
def test_degenerate_axes_are_valid(shape: tuple[int, ...]) -> None:
    array = pixels(shape=shape)
    np.testing.assert_array_equal(open_image(make(array), {}).pixels, array.reshape(64, 64))


def test_scaled_integers_and_blanks_become_floats_and_nan() -> None:
    array = np.arange(64 * 64, dtype="i2").reshape(64, 64)
    opened = open_image(make(array, BSCALE=0.5, BZERO=10.0, BLANK=3), {})
    assert np.isnan(opened.pixels[0, 3])
    assert opened.pixels[1, 0] == 64 * 0.5 + 10


def test_an_image_in_an_extension_is_found() -> None:
    image = fits.ImageHDU(pixels())
    for name, value in CARDS.items():
        image.header[name] = value
    opened = open_image(write(fits.HDUList([fits.PrimaryHDU(), image])), {})
    np.testing.assert_array_equal(opened.pixels, pixels())


def test_injected_cards_complete_a_header() -> None:
    bad = make(drop=("BMAJ", "BMIN", "BPA"))
    opened = open_image(bad, {"BMAJ": "0.05", "BMIN": "0.04", "BPA": "30"})
    assert opened.metadata.beam_pa_deg == 30


def test_the_beam_is_read_from_an_aips_history() -> None:
    hdu = fits.PrimaryHDU(pixels())
    for name, value in CARDS.items():
        if not name.startswith("B"):
            hdu.header[name] = value
    hdu.header["HISTORY"] = "AIPS   CLEAN BMAJ=  5.0000E-02 BMIN=  4.0000E-02 BPA=  12.00"
    metadata = open_image(write(fits.HDUList([hdu])), {}).metadata
    assert (metadata.beam_major_deg, metadata.beam_minor_deg, metadata.beam_pa_deg) == (
        0.05,
        0.04,
        12,
    )


def test_the_beam_is_read_from_a_casa_table() -> None:
    with fits.open(io.BytesIO(make(drop=("BMAJ", "BMIN", "BPA"), CASAMBM=True))) as file:
        columns = [
            fits.Column("BMAJ", "E", "arcsec", array=[180.0]),
            fits.Column("BMIN", "E", "arcsec", array=[144.0]),
            fits.Column("BPA", "E", "deg", array=[12.0]),
        ]
        file.append(fits.BinTableHDU.from_columns(columns, name="BEAMS"))
        metadata = open_image(write(file), {}).metadata
    assert metadata.beam_major_deg == pytest.approx(0.05)
    assert metadata.beam_minor_deg == pytest.approx(0.04)
    assert metadata.beam_pa_deg == 12


def test_a_missing_table_of_beams_is_a_missing_beam() -> None:
    with pytest.raises(RejectedImageError) as error:
        open_image(make(drop=("BMAJ", "BMIN", "BPA"), CASAMBM=True), {})
    assert error.value.reason_code == "no_beam"


def test_a_frequency_axis_gives_frequency_and_bandwidth() -> None:
    data = make(
        pixels(shape=(1, 64, 64)), drop=("RESTFRQ",), CTYPE3="FREQ", CRVAL3=1.5e8, CDELT3=2e6
    )
    metadata = open_image(data, {}).metadata
    assert (metadata.freq_eff_hz, metadata.freq_bw_hz) == (1.5e8, 2e6)


def test_a_blank_corner_does_not_disturb_the_rest() -> None:
    array = pixels(shape=(200, 200))
    array[:90, :90] = np.nan
    from services.extract.models import FinderParameters
    from services.extract.steps.catalogue import extract_sources

    found = extract_sources(open_image(make(array), {}), FinderParameters())
    sources, grid = found.sources, found.rms_grid
    assert np.all(np.isfinite(grid))
    assert len(sources) == 0


def test_the_text_of_a_rejection_can_be_stored_whatever_the_producer_wrote() -> None:
    message = InMessage("images-v1", 0, 0, b"night:", make(), {"fits:a\x00b": "1"})
    received = read_message(message, "cluster")
    with pytest.raises(RejectedImageError) as refused:
        open_image(received.data, received.cards)
    text = to_rejection_record(received, refused.value).reason_text
    assert text is not None
    assert text.isprintable()
    assert "fits:a?b" in text


def test_a_source_that_no_image_can_hold_beside_its_noise_is_refused() -> None:
    measurer = ImageMeasurer(ExtractSettings(detection_threshold_sigma=6), IngestSettings())
    # Noise of 1e-19 Jy/beam, and a block of 1e4.
    _, message = image_mutant(9101, 371)
    with pytest.raises(RejectedImageError) as refused:
        measurer.measure(read_message(message, "cluster"))
    assert refused.value.reason_code == "diverged"
