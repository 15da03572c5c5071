"""One source in, one source out, whatever the beam; two at one and a half beams are two."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extract.kernels.beams import fit_beside
from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.finder import find_sources
from tests.support import reference
from tests.support.examples import examples

pytestmark = pytest.mark.compiled_kernels

PARAMETERS = FinderParameters(detection_threshold_sigma=8, margin_px=0)
RMS = 1e-3


def sky(
    beam: BeamShape, sources: list[tuple[float, float, float]], seed: int, size: int
) -> np.ndarray:
    """Return noise with the beam's correlation and sources (x, y, S/N)."""
    y, x = np.mgrid[:size, :size].astype(float)

    def shape(x0: float, y0: float) -> np.ndarray:
        a, b, c = beam.quadratic
        dx, dy = x - x0, y - y0
        return np.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))

    white = np.fft.rfft2(np.random.default_rng(seed).normal(size=(size, size)))
    kernel = np.fft.rfft2(np.fft.ifftshift(shape(size // 2, size // 2)))
    noise = np.fft.irfft2(white * kernel, s=(size, size))
    image = noise / noise.std() * RMS
    for x0, y0, snr in sources:
        image += snr * RMS * shape(x0, y0)
    return image.astype("f4")


def found(beam: BeamShape, sources: list[tuple[float, float, float]], seed: int, size: int) -> int:
    grid = np.full((2, 2), RMS)
    image = sky(beam, sources, seed, size)
    return len(find_sources(image, np.zeros((2, 2)), grid, beam, PARAMETERS).x)


@settings(max_examples=examples(150))
@given(
    ratio=st.floats(1, 20), minor=st.floats(1.5, 6), angle=st.floats(0, math.pi),
    log_snr=st.floats(math.log(8), math.log(1000)),
    shift=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 1 << 30),
)  # fmt: skip
def test_one_source_is_one(
    ratio: float, minor: float, angle: float, log_snr: float, shift: tuple[float, float], seed: int
) -> None:
    beam = BeamShape(min(ratio * minor, 40.0), minor, angle)
    size = 64 if beam.major_px < 16 else 128
    centre = size / 2
    source = (centre + shift[0], centre + shift[1], math.exp(log_snr))
    n_found = found(beam, [source], seed, size)
    assert n_found <= 1
    # Near the threshold noise, and the pixels of a narrow beam, decide whether it is found.
    if sky(beam, [source], seed, size).max() > 1.5 * PARAMETERS.detection_threshold_sigma * RMS:
        assert n_found == 1


@settings(max_examples=examples(100))
@given(
    ratio=st.floats(1, 20), minor=st.floats(2.5, 6), angle=st.floats(0, math.pi),
    direction=st.floats(0, 2 * math.pi), snr=st.floats(15, 300), contrast=st.floats(1, 2),
    seed=st.integers(0, 1 << 30),
)  # fmt: skip
def test_two_sources_one_and_a_half_beams_apart_are_two(
    ratio: float,
    minor: float,
    angle: float,
    direction: float,
    snr: float,
    contrast: float,
    seed: int,
) -> None:
    beam = BeamShape(min(ratio * minor, 60.0), minor, angle)
    # One and a half beams in the beam's own coordinates, in any direction.
    u, v = 1.5 * beam.major_px * math.cos(direction), 1.5 * beam.minor_px * math.sin(direction)
    dx = u * math.cos(angle) - v * math.sin(angle)
    dy = u * math.sin(angle) + v * math.cos(angle)
    size = 128 if beam.major_px < 24 else 256
    x, y = size / 2 + 0.3, size / 2 + 0.6
    sources = [(x - dx / 2, y - dy / 2, snr * contrast), (x + dx / 2, y + dy / 2, snr)]
    assert found(beam, sources, seed, size) == 2


@pytest.mark.parametrize("number", range(60))
def test_a_source_on_the_flank_of_a_much_brighter_one_is_one(number: int) -> None:
    """Along the ridge of a narrow beam the flank moves the maxima of the fainter one."""
    rng = np.random.default_rng([7, number])
    minor, ratio, angle = rng.uniform(1.5, 4), rng.uniform(6, 20), rng.uniform(0, math.pi)
    beam = BeamShape(ratio * minor, minor, angle)
    snr, contrast = rng.uniform(20, 100), math.exp(rng.uniform(math.log(3), math.log(20)))
    along = angle + rng.choice((0, math.pi))
    dx, dy = 0.75 * beam.major_px * math.cos(along), 0.75 * beam.major_px * math.sin(along)
    size = int(6 * beam.major_px)
    x, y = size / 2 + rng.uniform(0, 1, 2)
    sources = [(x - dx, y - dy, snr * contrast), (x + dx, y + dy, snr)]
    assert found(beam, sources, number, size) == 2


@pytest.mark.parametrize(
    ("major", "minor", "angle_deg"), [(12, 3, 70), (12, 2.4, 70), (15, 3, 33)]
)
def test_beams_that_once_split_sources(major: float, minor: float, angle_deg: float) -> None:
    beam = BeamShape(major, minor, math.radians(angle_deg))
    rng = np.random.default_rng(3)
    for seed in range(20):
        x, y = rng.uniform(40, 88, 2)
        assert found(beam, [(x, y, 100.0)], seed, 128) == 1


@pytest.mark.parametrize(
    ("ratio", "minor", "snr"),
    [(1.2, 4, 100), (3, 3, 20), (6, 3, 100), (12, 3.1, 345), (16, 3.5, 500)],
)
def test_positions_are_right_along_the_ridge_of_a_narrow_beam(
    ratio: float, minor: float, snr: float
) -> None:
    # Condon (1997), PASP 109, 166: in noise that the beam correlates, along each axis.
    along, across = (
        ratio * minor / math.sqrt(8 * math.log(2)) / snr,
        minor / math.sqrt(8 * math.log(2)) / snr,
    )
    rng, pulls = np.random.default_rng(5), []
    for seed in range(60):
        beam = BeamShape(ratio * minor, minor, rng.uniform(0, math.pi))
        x, y = 64 + rng.uniform(0, 1, 2)
        image = sky(beam, [(x, y, snr)], seed, 128)
        one = find_sources(image, np.zeros((2, 2)), np.full((2, 2), RMS), beam, PARAMETERS)
        assert one.x.size == 1
        dx, dy = one.x[0] - x, one.y[0] - y
        sine, cosine = math.sin(beam.angle_rad), math.cos(beam.angle_rad)
        pulls.append(((dx * cosine + dy * sine) / along, (dy * cosine - dx * sine) / across))
    assert np.all(np.std(pulls, axis=0) < 1.25)
    assert np.abs(pulls).max() < 5


@pytest.mark.parametrize("shape", [(5.0, 4.0, 1.2), (1.8, 1.5, 0.3), (20.0, 3.0, 2.2)])
def test_a_beam_fitted_alone_is_that_of_plain_numpy(shape: tuple[float, float, float]) -> None:
    beam, rng = BeamShape(*shape), np.random.default_rng(9)
    sources = [(*rng.uniform(10, 54, 2), snr) for snr in (30.0, 100.0, 300.0)]
    pixels = (sky(beam, sources, 2, 64) / RMS).astype("f4")
    pixels[rng.random(pixels.shape) < 0.01] = np.nan
    peaks = np.array([(round(y), round(x)) for x, y, _ in sources])
    peaks = peaks[np.isfinite(pixels[peaks[:, 0], peaks[:, 1]])]
    assert peaks.size
    y, x = np.ascontiguousarray(peaks.T)
    for row, column in zip(y.tolist(), x.tolist(), strict=True):
        start = float(pixels[row, column]), float(column), float(row)
        fit = fit_beside(pixels, 0.0, start, beam.quadratic, np.empty((0, 6)))
        expected = reference.beam_alone(pixels, row, column, beam.quadratic)
        np.testing.assert_allclose(fit, expected, rtol=1e-6)
