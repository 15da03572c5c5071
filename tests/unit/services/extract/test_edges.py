"""Sources whose beam is cut by the border of the image or by blank pixels stay one, and true."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.quality import QualityFlag
from services.extract.kernels.uncertainties import FWHM_PER_SIGMA
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.background import measure_background
from services.extract.steps.finder import find_sources
from services.extract.steps.sampling import is_coarse, position_covariance
from tests.support.beam_sky import sky
from tests.support.examples import examples

pytestmark = pytest.mark.compiled_kernels

SIZE, CELL_PX = 256, 50
CENTRE = (SIZE - 1) / 2
LONGEST_PX = 45.0  # a beam that is longer than a cell needs larger cells
BORDERS = ("image", "half", "round")
PARAMETERS = FinderParameters(detection_threshold_sigma=8.0, margin_px=0)
CUT = int(QualityFlag.EDGE | QualityFlag.BLANK_PIXELS)


@dataclass(frozen=True)
class Cut:
    """A source near a border: `beyond` is its distance to it [px], negative outside."""

    border: str
    beam: BeamShape
    snr: float
    beyond: float
    turn: float
    seed: int

    def place(self) -> tuple[float, float]:
        if self.border == "image":
            along = CENTRE + 60 * (self.turn / math.pi - 1)
            return ((self.beyond - 0.5, along), (along, SIZE - 0.5 - self.beyond))[self.seed % 2]
        radius = self._radius() - self.beyond
        return CENTRE + radius * math.cos(self.turn), CENTRE + radius * math.sin(self.turn)

    def image(self) -> tuple[np.ndarray, tuple[float, float]]:
        x, y = self.place()
        pixels = sky(self.beam, [(x, y, self.snr, self.beam)], self.seed, SIZE)
        dy, dx = np.mgrid[:SIZE, :SIZE] - CENTRE
        if self.border == "half":
            is_blank = dx * math.cos(self.turn) + dy * math.sin(self.turn) > self._radius()
            pixels[is_blank] = np.nan
        elif self.border == "round":
            pixels[np.hypot(dx, dy) > self._radius()] = np.nan
        return pixels, (x, y)

    def find(self) -> FoundSources:
        pixels, _ = self.image()
        return find_sources(pixels, *measure_background(pixels, CELL_PX), self.beam, PARAMETERS)

    def pulls(self, found: FoundSources) -> np.ndarray:
        """Return the errors of flux and of position along and across the beam, in sigma."""
        x, y = self.place()
        offset = np.array([found.x[0] - x, found.y[0] - y])
        cos, sin = math.cos(self.beam.angle_rad), math.sin(self.beam.angle_rad)
        axes = np.array([[cos, sin], [-sin, cos]])
        peak = 1.0
        sigmas = np.array([self.beam.major_px, self.beam.minor_px]) / FWHM_PER_SIGMA
        if is_coarse(self.beam):
            peaks, covariances = position_covariance(self.beam, found.x, found.y)
            peak = peaks[0]
            sigmas = np.sqrt(np.einsum("ij,jk,ik->i", axes, covariances[0], axes))
        noise = found.rms_local[0]
        flux = (found.amplitude[0] - self.snr) / (noise * peak)
        return np.array([flux, *(axes @ offset) * self.snr / (noise * sigmas)])

    def _radius(self) -> float:
        return {"half": 20.0, "round": 100.0}[self.border] + self.seed % 17


@st.composite
def cuts(draw: st.DrawFn, *, nearest: float, farthest: float) -> Cut:
    ratio = draw(st.floats(1, 20))
    minor = draw(st.floats(2.0, max(2.2, min(6.0, LONGEST_PX / ratio))))
    beam = BeamShape(ratio * minor, minor, draw(st.floats(0, math.pi)))
    unit = draw(st.sampled_from([beam.major_px, beam.minor_px]))
    return Cut(
        draw(st.sampled_from(BORDERS)), beam, math.exp(draw(st.floats(3.0, 6.9))),
        unit * draw(st.floats(nearest, farthest)), draw(st.floats(0, 2 * math.pi)),
        draw(st.integers(0, 2**32 - 1)),
    )  # fmt: skip


@settings(max_examples=examples(80))
@given(cuts(nearest=0.0, farthest=3.0))
def test_a_source_near_a_border_is_one_and_true_or_flagged(cut: Cut) -> None:
    found = cut.find()
    assert found.x.size == 1
    if not found.quality_flags[0] & QualityFlag.FIT_FAILED:
        assert np.abs(cut.pulls(found)).max() < 8


@settings(max_examples=examples(30))
@given(cuts(nearest=-1.0, farthest=-0.2))
def test_what_shines_in_from_beyond_a_border_is_flagged_or_true(cut: Cut) -> None:
    found = cut.find()
    is_told = found.quality_flags & (CUT | QualityFlag.FIT_FAILED) > 0
    if not is_told.all():
        assert found.x.size == 1
        assert np.abs(cut.pulls(found)).max() < 8


def drawn_cuts(n: int, seed: int) -> list[Cut]:
    rng = np.random.default_rng(seed)
    found = []
    for index in range(n):
        ratio = math.exp(rng.uniform(0, math.log(20)))
        minor = rng.uniform(2.0, max(2.2, min(6.0, LONGEST_PX / ratio)))
        beam = BeamShape(ratio * minor, minor, rng.uniform(0, math.pi))
        unit = (beam.major_px, beam.minor_px)[index % 2]
        found.append(
            Cut(
                BORDERS[index % 3],
                beam,
                math.exp(rng.uniform(3.0, 6.9)),
                unit * rng.uniform(0, 3),
                rng.uniform(0, 2 * math.pi),
                seed + index,
            )
        )
    return found


def test_errors_near_borders_are_those_of_repeated_measurements() -> None:
    pulls, is_cut = [], []
    for cut in drawn_cuts(240, seed=20261128):
        found = cut.find()
        assert found.x.size == 1
        if not found.quality_flags[0] & QualityFlag.FIT_FAILED:
            pulls.append(cut.pulls(found))
            is_cut.append(bool(found.quality_flags[0] & CUT))
    of_all, cut_ones = np.array(pulls), np.array(is_cut)
    assert len(pulls) > 200
    # About 180 and 50 sources: 5 % and 10 % each, and the noise of a cell is known to 10 %.
    np.testing.assert_allclose(of_all[~cut_ones].std(axis=0), 1, atol=0.22)
    np.testing.assert_allclose(of_all[cut_ones].std(axis=0), 1, atol=0.5)
    assert np.abs(of_all[~cut_ones].mean(axis=0)).max() < 0.3


def full_of_a_source(snr: float) -> Cut:
    """Return a source that fills all that a border leaves of a cell."""
    return Cut("half", BeamShape(31.5, 5.6, 2.4), snr, 5.0, 0.8, seed=6)


@pytest.mark.parametrize("snr", [40.0, 150.0, 600.0, 2000.0])
def test_a_source_that_fills_the_rest_of_a_cell_is_no_noise(snr: float) -> None:
    cut = full_of_a_source(snr)
    mean, rms = measure_background(cut.image()[0], CELL_PX)
    np.testing.assert_allclose(rms, 1, atol=0.5)
    np.testing.assert_allclose(mean, 0, atol=1.2)
    found = cut.find()
    assert found.x.size == 1
    assert found.amplitude[0] == pytest.approx(snr, rel=0.01, abs=5)


@pytest.mark.parametrize("seed", range(4))
def test_noise_that_rises_towards_a_border_stays_noise(seed: int) -> None:
    pixels = sky(BeamShape(5.0, 4.0, 0.3), [], seed, SIZE)
    dy, dx = np.mgrid[:SIZE, :SIZE] - CENTRE
    radius = np.hypot(dx, dy)
    # Divided by a primary beam of 160 px FWHM down to a fifth of it.
    pixels *= np.exp(4 * math.log(2) * (radius / 160) ** 2).astype("f4")
    pixels[radius > 124] = np.nan
    found = find_sources(
        pixels, *measure_background(pixels, CELL_PX), BeamShape(5.0, 4.0, 0.3), PARAMETERS
    )
    assert found.x.size == 0
