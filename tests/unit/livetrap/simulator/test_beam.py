"""Noise that is correlated by the beam, and stamps of unit flux."""

import numpy as np
import pytest

from livetrap.simulator.beam import NoiseMaker, make_stamp
from livetrap.simulator.config import SimulatorConfig


def test_noise_autocorrelation_is_the_beam():
    config = SimulatorConfig(size=256)
    noise = NoiseMaker(config)
    rng = np.random.default_rng(7)
    power = sum(np.abs(np.fft.fft2(noise.draw(rng).astype(float))) ** 2 for _ in range(40))
    correlation = np.fft.fftshift(np.fft.ifft2(power).real) / (40 * 256**2)
    stamp = make_stamp(config, 128.0, 128.0)
    np.testing.assert_allclose(correlation[stamp.rows, stamp.columns], stamp.pixels, atol=0.02)


def test_noise_has_unit_variance_and_zero_mean():
    noise = NoiseMaker(SimulatorConfig(size=512))
    plane = noise.draw(np.random.default_rng(1))
    assert plane.dtype == np.float32
    assert plane.std() == pytest.approx(1.0, rel=0.02)
    assert plane.mean() == pytest.approx(0.0, abs=0.02)


def test_noise_is_gaussian_in_its_wings():
    noise = NoiseMaker(SimulatorConfig(size=512))
    rng = np.random.default_rng(2)
    pixels = np.concatenate([noise.draw(rng).ravel() for _ in range(4)])
    assert np.mean(np.abs(pixels) > 3.0) == pytest.approx(0.0027, rel=0.15)
    assert np.abs(pixels).max() < 7.0


def test_planes_are_independent():
    noise = NoiseMaker(SimulatorConfig(size=256))
    rng = np.random.default_rng(3)
    one, other = noise.draw(rng), noise.draw(rng)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0.0, abs=0.03)


def test_stamp_follows_the_position_angle():
    config = SimulatorConfig(beam_major_px=8.0, beam_minor_px=3.0, beam_pa_deg=45.0)
    stamp = make_stamp(config, 100.0, 100.0)
    middle = stamp.pixels.shape[0] // 2
    # North through east: up and to the left.
    assert stamp.pixels[middle + 3, middle - 3] > 10 * stamp.pixels[middle + 3, middle + 3]


def test_stamp_at_the_edge_is_cut():
    stamp = make_stamp(SimulatorConfig(size=256), 0.0, 255.0)
    assert stamp.rows.start == 0
    assert stamp.columns.stop == 256
    assert stamp.pixels[0, -1] == pytest.approx(1.0)
