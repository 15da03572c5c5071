"""The peaks of the negated image: counted where no source makes them."""

import numpy as np
import pytest

from services.extract.models import BeamShape, ExtractedImage, FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image
from services.extract.steps.negative_peaks import find_negative_peaks
from tests.support.beam_sky import sky
from tests.support.fits_images import make

pytestmark = pytest.mark.compiled_kernels

BEAM = BeamShape(5.0, 4.0, np.pi / 2)  # that of the header
PARAMETERS = FinderParameters(detection_threshold_sigma=6, margin_px=10)


def extracted(
    *sources: tuple[float, float, float], size: int = 256, **cards: object
) -> ExtractedImage:
    """Return an image of unit noise with sources (x, y, peak), and what is found in it."""
    pixels = sky(BEAM, [(*source, BEAM) for source in sources], 7, size)
    image = open_image(make(pixels, **cards), {}, max_bytes=1 << 24)
    return ExtractedImage(image, extract_sources(image, PARAMETERS))


def test_negative_peaks_are_listed_with_their_significance() -> None:
    found = find_negative_peaks(
        extracted((80.0, 100.0, 50.0), (150.0, 60.0, -30.0), (60.0, 200.0, -12.0)), PARAMETERS
    )
    assert found is not None
    assert found.n_peaks == 2
    assert found.snr == pytest.approx((30, 12), abs=4)
    assert found.snr[0] > found.snr[1]
    assert found.searched_deg2 == pytest.approx((236 * 0.01) ** 2, rel=0.01)


def test_an_image_of_noise_has_none() -> None:
    found = find_negative_peaks(extracted((80.0, 100.0, 50.0)), PARAMETERS)
    assert found is not None
    assert (found.n_peaks, found.snr) == (0, ())


def test_what_a_bright_source_makes_is_left_out() -> None:
    bright = (80.0, 100.0, 5000.0)
    found = find_negative_peaks(extracted(bright, (100.0, 130.0, -30.0)), PARAMETERS)
    assert found is not None
    assert found.n_peaks == 0
    # A hundredth of the bright source is no side lobe of it; nor is what is far from it.
    for far_or_strong in ((100.0, 130.0, -80.0), (430.0, 400.0, -30.0)):
        found = find_negative_peaks(extracted(bright, far_or_strong, size=512), PARAMETERS)
        assert found is not None
        assert found.n_peaks == 1


def test_more_than_are_listed_are_counted() -> None:
    places = [(20.0 + 24 * (n % 9), 20.0 + 24 * (n // 9)) for n in range(72)]
    found = find_negative_peaks(extracted(*((*place, -20.0) for place in places)), PARAMETERS)
    assert found is not None
    assert found.n_peaks == 72
    assert len(found.snr) == 32


def test_sources_of_signed_stokes_parameters_are_no_false_ones() -> None:
    image = extracted((150.0, 60.0, -30.0), CTYPE3="STOKES", CRVAL3=4.0, CRPIX3=1, CDELT3=1)
    assert find_negative_peaks(image, PARAMETERS) is None
