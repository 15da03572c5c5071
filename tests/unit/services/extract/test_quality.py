"""Quality control: its limits and its history of the noise."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from livetrap.simulator import SimulatorConfig, iterate_images
from services.extract.errors import RejectedImageError
from services.extract.models import Image
from services.extract.steps.bright_sources import nearest_bright_source
from services.extract.steps.image import open_image
from services.extract.steps.quality import QualityControl, QualityLimits


@pytest.fixture(scope="module")
def image() -> Image:
    config = SimulatorConfig(images=1, bands_hz=(150e6,), size=128)
    return open_image(next(iter(iterate_images(config))).data, {})


def code_of(error: pytest.ExceptionInfo[RejectedImageError]) -> str:
    return error.value.reason_code


def test_the_default_limits_accept_every_image(image: Image) -> None:
    control = QualityControl(QualityLimits())
    control.check_image(image)
    for rms in (1e-6, 1e6):
        control.check_rms("a", image, rms)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (QualityLimits(max_beam_axis_ratio=1.1), "elongated_beam"),
        (QualityLimits(max_blank_fraction=0.0), "too_blank"),
        (
            QualityLimits(min_bright_separation_deg=180.0, bright_sources=("Cas A",)),
            "near_bright_source",
        ),
    ],
)
def test_headers_and_pixels_are_checked(image: Image, limits: QualityLimits, code: str) -> None:
    image.pixels[0, 0] = np.nan
    with pytest.raises(RejectedImageError) as error:
        QualityControl(limits).check_image(image)
    assert code_of(error) == code


def test_noise_has_bounds(image: Image) -> None:
    control = QualityControl(QualityLimits(rms_min_jy_beam=1e-3, rms_max_jy_beam=1e-2))
    control.check_rms("a", image, 5e-3)
    for rms, code in ((9e-4, "rms_too_low"), (1.1e-2, "rms_too_high")):
        with pytest.raises(RejectedImageError) as error:
            control.check_rms("a", image, rms)
        assert code_of(error) == code


def test_unusual_noise_is_rejected_and_not_added_to_the_history(image: Image) -> None:
    control = QualityControl(QualityLimits(rms_history_images=10, rms_history_sigma=4.0))
    rng = np.random.default_rng(1)
    for rms in rng.normal(1.0, 0.05, 20):
        control.check_rms("a", image, float(rms))
    for _ in range(30):
        with pytest.raises(RejectedImageError) as error:
            control.check_rms("a", image, 2.0)
        assert code_of(error) == "rms_unusual"
    control.check_rms("a", image, 1.02)
    # Another stream has a history of its own.
    control.check_rms("b", image, 2.0)


def test_constant_noise_may_change_a_little(image: Image) -> None:
    control = QualityControl(QualityLimits(rms_history_images=10))
    for rms in (1.0, 1.0, 1.0, 1.0, 1.0, 1.005):
        control.check_rms("a", image, rms)


def test_an_image_with_too_many_sources_is_rejected() -> None:
    control = QualityControl(QualityLimits(max_sources=10))
    control.check_count(10)
    with pytest.raises(RejectedImageError) as error:
        control.check_count(11)
    assert code_of(error) == "too_many_sources"


def test_the_position_of_the_sun_is_that_of_the_almanac() -> None:
    # June solstice 2024, 20:51 UTC: RA 90 deg of date, by precession 89.63 deg in J2000.
    name, distance = nearest_bright_source(
        89.63, 23.44, datetime(2024, 6, 20, 20, 51, tzinfo=UTC), ("Sun", "Cas A")
    )
    assert name == "Sun"
    assert distance < 0.03
    later = nearest_bright_source(
        89.63, 23.44, datetime(2024, 6, 20, 20, 51, tzinfo=UTC) + timedelta(days=91), ("Sun",)
    )
    assert later[1] > 80


def test_the_position_of_jupiter_is_that_of_the_almanac() -> None:
    # Great conjunction with Saturn, 2020-12-21 18:20 UTC: RA 20h10.5m, Dec -20.5 deg.
    _, distance = nearest_bright_source(
        302.6, -20.5, datetime(2020, 12, 21, 18, 20, tzinfo=UTC), ("Jupiter",)
    )
    assert distance < 0.2
