"""A bright new source near a known one is new; the known one's light curve stays clean."""

import pytest

from schemas.quality import QualityFlag
from tests.support.association import associator
from tests.support.records import image, sources

KNOWN = (123.0, 10.0)
LIMITS = {
    "systematic_position_error_arcsec": 10.0,
    "de_ruiter_radius": 5.68,
    "beamwidths_limit": 3.0,
}


@pytest.mark.parametrize("offset_arcsec", [30.0, 60.0, 78.0])
async def test_a_bright_new_source_near_a_known_one_is_announced_as_new(
    postgres_url: str, offset_arcsec: float
) -> None:
    there = (KNOWN[0], KNOWN[1] + offset_arcsec / 3600)
    async with associator(postgres_url, **LIMITS) as case:
        for step in range(4):
            await case.feed(image(step, sources([KNOWN], flux_jy=0.02, pos_err_arcsec=1.0)))
        both = sources([KNOWN, there], flux_jy=[0.02, 0.2], pos_err_arcsec=1.0)
        await case.feed(image(4, both))
        [event] = case.events
        assert event.kind == "new_source"
        assert event.flux_peak_jy_beam == 0.2
        assert event.quality_flags == QualityFlag.NEAR_KNOWN
        known, new = await case.sources()
        assert (known["n_datapoints"], known["v"]) == (5, 0.0)
        assert (new["n_datapoints"], new["parent_source_id"]) == (1, None)
        assert new["id"] == event.source_id
        # Both keep what is theirs in the images that follow.
        for step in (5, 6):
            await case.feed(image(step, both))
        assert [row["n_datapoints"] for row in await case.sources()] == [7, 3]
        assert [row["v"] for row in await case.sources()] == [0.0, 0.0]


async def test_a_blend_that_is_resolved_inherits_the_light_curve(postgres_url: str) -> None:
    there = (KNOWN[0], KNOWN[1] + 60 / 3600)
    async with associator(postgres_url, **LIMITS) as case:
        for step in range(4):
            await case.feed(image(step, sources([KNOWN], flux_jy=0.05, pos_err_arcsec=1.0)))
        parts = sources([KNOWN, there], flux_jy=[0.03, 0.02], pos_err_arcsec=1.0)
        await case.feed(image(4, parts))
        known, child = await case.sources()
        assert child["parent_source_id"] == known["id"]
        assert child["n_datapoints"] == 5
        assert [event for event in case.events if event.kind == "new_source"] == []
