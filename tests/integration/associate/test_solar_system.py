"""A new source where a planet is says so, and the default rules send no alert of it."""

from datetime import timedelta

from astropy.coordinates import get_body
from astropy.time import Time

from rules.quantities import facts_of
from rules.rule_set import load_rules
from schemas.quality import QualityFlag
from tests.support.association import associator
from tests.support.records import START, image, sources

MIDDLE = START + timedelta(days=1, seconds=150)


async def test_a_planet_is_flagged_and_a_transient_beside_it_is_not(postgres_url: str) -> None:
    planet = get_body("jupiter", Time(MIDDLE), ephemeris="builtin")
    here = float(planet.ra.deg), float(planet.dec.deg)
    beside = here[0], here[1] + 1.0
    async with associator(postgres_url) as case:
        await case.feed(image(0, [], centre=here))
        await case.feed(image(1, sources([here, beside], flux_jy=0.05), centre=here))
        flagged, other = sorted(case.events, key=lambda event: event.dec)
        assert flagged.quality_flags == QualityFlag.SOLAR_SYSTEM
        assert other.quality_flags == 0
        rules = load_rules(None)
        assert rules.find(facts_of(flagged)) is None
        assert rules.find(facts_of(other)) is not None


async def test_a_planet_that_a_late_image_has_seen_before_is_flagged(postgres_url: str) -> None:
    planet = get_body("jupiter", Time(MIDDLE), ephemeris="builtin")
    here = float(planet.ra.deg), float(planet.dec.deg)
    there = sources([here], flux_jy=0.05)
    async with associator(postgres_url) as case:
        for step in (0, 0.995):
            await case.feed(image(step, [], centre=here))
        await case.feed(image(0.99, there, centre=here))
        await case.feed(image(1, there, centre=here))
        (event,) = case.events
        assert event.quality_flags == QualityFlag.SOLAR_SYSTEM
        assert event.n_datapoints == 2
