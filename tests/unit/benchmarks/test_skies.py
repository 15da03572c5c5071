"""The table of skies: its noise, its bounds, its truth, and what it makes of a catalogue."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.extraction.skies.__main__ import mark
from benchmarks.extraction.skies.bounds import position_information
from benchmarks.extraction.skies.draw import RMS_JY_BEAM, DrawnSky, draw_noise, draw_sky
from benchmarks.extraction.skies.kinds import KINDS, SkyKind
from benchmarks.extraction.skies.score import Value, compare, score
from schemas.messages import SourceColumns
from services.extract.models import BeamShape
from services.extract.steps.image import open_image

KIND = SkyKind("small", size_px=512)
NAMES = ["C8", "R5", "pos/bound", "bias 8-20", "bias >20", "peak", "flux", "east", "north"]
ERR_DEG = 1e-3


def small(kind: SkyKind) -> SkyKind:
    return replace(kind, size_px=256)


def catalogue(sky: DrawnSky, rng: np.random.Generator, scale: float = 1.0) -> SourceColumns:
    """Return the truth with errors of the quoted size, times a factor."""
    n = sky.x.size
    noise = scale * rng.normal(size=(4, n))
    ra, dec = sky.wcs.all_pix2world(sky.x, sky.y, 0)
    east, north = ERR_DEG * noise[:2] / np.abs(sky.snr)
    flux_err = np.full(n, RMS_JY_BEAM)
    columns = {each.name: np.zeros(n) for each in fields(SourceColumns)} | {
        "ra": ra + east / np.cos(np.radians(dec)), "dec": dec + north,
        "ra_err_deg": ERR_DEG / np.abs(sky.snr), "dec_err_deg": ERR_DEG / np.abs(sky.snr),
        "flux_peak_jy_beam": RMS_JY_BEAM * (sky.snr + noise[2]), "flux_peak_err_jy_beam": flux_err,
        "flux_int_jy": RMS_JY_BEAM * (sky.snr + noise[3]), "flux_int_err_jy": flux_err,
    }  # fmt: skip
    return SourceColumns(**columns)


def select(sources: SourceColumns, at: np.ndarray) -> SourceColumns:
    return SourceColumns(
        **{each.name: getattr(sources, each.name)[at] for each in fields(sources)}
    )


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_pulls_and_positions_are_what_the_catalogue_makes_of_them(scale: float) -> None:
    rng = np.random.default_rng(7)
    skies = [draw_sky(KIND, 3, number) for number in range(12)]
    values = score([compare(sky, catalogue(sky, rng, scale)) for sky in skies])
    assert [each.name for each in values] == NAMES
    found = {each.name: each for each in values}
    assert found["C8"].figure == found["R5"].figure == 1
    for name in ("peak", "flux", "east", "north"):
        assert abs(found[name].figure - scale) < 4 * scale * found[name].error
    for name in ("bias 8-20", "bias >20"):
        assert abs(found[name].figure) < 4 * found[name].error
    # Condon's covariance has the trace of the beam's over 8 ln 2.
    a, _, c = KIND.beam.quadratic
    expected = scale * ERR_DEG * 120 * np.sqrt(a + c)
    assert abs(found["pos/bound"].figure - expected) < 5 * found["pos/bound"].error


def test_what_is_missing_torn_or_shifted_is_seen() -> None:
    sky = draw_sky(KIND, 4)
    good = catalogue(sky, np.random.default_rng(1))
    bright = np.flatnonzero(np.abs(sky.snr) >= 8)
    missing = select(good, np.delete(np.arange(sky.x.size), bright[:10]))
    torn = select(good, np.concatenate([np.arange(sky.x.size), bright[:10]]))
    shifted = replace(good, flux_peak_jy_beam=1.01 * good.flux_peak_jy_beam)
    lists = {"missing": missing, "torn": torn, "shifted": shifted}
    of = {
        name: dict(zip(NAMES, score([compare(sky, each)]), strict=True))
        for name, each in lists.items()
    }
    assert of["missing"]["C8"].figure == pytest.approx(1 - 10 / bright.size, abs=3 / bright.size)
    assert of["torn"]["R5"].figure == pytest.approx(1 - 10 / (sky.x.size + 10))
    is_clean = of["shifted"]["bias >20"]
    assert is_clean.figure == pytest.approx(1, abs=4 * is_clean.error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_file_says_what_was_drawn(kind: SkyKind) -> None:
    sky = draw_sky(small(kind), 5)
    image = open_image(sky.data, {})
    assert image.metadata.stokes == ("V" if kind.is_signed else "I")
    assert (sky.snr < 0).any() == kind.is_signed
    ra, dec = sky.wcs.all_pix2world(sky.x, sky.y, 0)
    x, y = image.projection.to_pixel(ra, dec)
    np.testing.assert_allclose([x, y], [sky.x, sky.y], atol=1e-6)
    at = np.abs(sky.snr).argmax()
    brightest = image.pixels[round(sky.y[at]), round(sky.x[at])] / RMS_JY_BEAM
    assert 0.4 < brightest / sky.snr[at] < 1.6


@pytest.mark.parametrize("kind", KINDS[:5], ids=lambda kind: kind.name)
def test_the_noise_has_the_beam_as_its_autocorrelation(kind: SkyKind) -> None:
    noise = draw_noise(kind.beam, 1024, np.random.default_rng(2))
    a, b, c = kind.beam.quadratic
    n_beams = noise.size / kind.beam.area_px
    for dx, dy in ((0, 0), (1, 0), (0, 1), (2, 1), (-3, 2), (5, -4)):
        expected = np.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))
        measured = np.mean(noise * np.roll(noise, (-dy, -dx), axis=(0, 1)))
        assert abs(measured - expected) < 6 / np.sqrt(n_beams)


@given(minor=st.floats(1.5, 2.95), ratio=st.floats(1, 1.5), angle=st.floats(0, 3.1),
       x=st.floats(-3, 3), y=st.floats(-3, 3))  # fmt: skip
def test_pixels_never_know_more_than_the_sky(
    minor: float, ratio: float, angle: float, x: float, y: float
) -> None:
    beam = BeamShape(min(ratio * minor, 3.99), minor, angle)
    a, b, c = beam.quadratic
    [information] = position_information(beam, np.array([x]), np.array([y]))
    lost = np.linalg.eigvalsh(2 * np.array([[a, b], [b, c]]) - information)
    assert lost.min() > -1e-4 * (a + c)
    # They know nearly all of it from some three pixels on.
    assert minor < 2.9 or lost.max() < 0.03 * (a + c)


@pytest.mark.parametrize(
    ("figure", "expected"), [(1.0, " "), (1.1, " "), (1.11, "?"), (1.2, "!"), (0.7, "!")]
)
def test_a_figure_that_misses_its_bar_is_marked(figure: float, expected: str) -> None:
    assert mark(Value("pull", figure, 0.02, (0.9, 1.1))) == expected
