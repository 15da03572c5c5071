"""The floor of a position error may be a part of the beam: each band has its own."""

import pytest

from tests.support.association import associator
from tests.support.records import image, sources

KNOWN = (123.0, 10.0)
# Within the limit of distance of both bands, far beyond the errors of the fits.
OFFSET_ARCSEC = 80.0
NARROW, WIDE = (140e6, 0.02), (60e6, 0.1)


@pytest.mark.parametrize(
    ("floor_beams", "band", "n_points"),
    [(0.05, WIDE, [3]), (0.05, NARROW, [2, 1]), (0.0, WIDE, [2, 1])],
)
async def test_how_far_off_a_detection_may_be_is_a_part_of_the_beam_of_its_band(
    postgres_url: str, floor_beams: float, band: tuple[float, float], n_points: list[int]
) -> None:
    there = (KNOWN[0], KNOWN[1] + OFFSET_ARCSEC / 3600)
    limits = {
        "systematic_position_error_arcsec": 0.5,
        "systematic_position_error_beams": floor_beams,
        "de_ruiter_radius": 5.68,
        "beamwidths_limit": 3.0,
    }
    async with associator(postgres_url, **limits) as case:
        for step, place, (freq_hz, beam_deg) in (
            (0, KNOWN, NARROW), (1, KNOWN, NARROW), (2, there, band),
        ):  # fmt: skip
            measured = sources([place], pos_err_arcsec=1.0)
            await case.feed(image(step, measured, freq_eff_hz=freq_hz, beam_major_deg=beam_deg))
        rows = await case.sources()
    assert [row["n_datapoints"] for row in rows] == n_points
