"""Each episode is told, at any age and at any place: through Kafka and REST."""

import numpy as np
import pytest

from schemas.quality import QualityFlag
from tests.support.decision_site import DecisionSite
from tests.support.watched_sky import WatchedSky, add_noise, begun, offset

AT_ZERO_HOURS = (0.002, 31.6)
NEAR_POLE = (77.0, -89.95)


async def test_each_burst_is_an_episode_though_the_first_was_retracted(
    site: DecisionSite,
) -> None:
    bursts = {7: 18.0, 41: 61.0, 77: 25.0, 113: 33.0}
    flux = np.zeros((125, 1, 2))
    flux[:, 0, 1] = 40.0
    for step, sigma in bursts.items():
        flux[step, 0, 0] = sigma
    places = [AT_ZERO_HOURS, offset(AT_ZERO_HOURS, 0.9, 0.3)]
    sky = WatchedSky("bursts", places, add_noise(flux, 12), centre=AT_ZERO_HOURS, cadence_s=13.0)
    first = await site.observe(sky, until=20)
    assert begun(first, sky) == [(7, "new_source")]
    (transient,) = (await site.get("/transients", stream="bursts"))["items"]
    await site.retract(transient["id"])
    events = await site.observe(sky)
    began = [each for each in events if each.kind not in ("update", "retraction")]
    assert [step for step, _ in begun(events, sky)] == list(bursts)
    assert [each.kind for each in began] == ["new_source"] + ["variable"] * 3
    assert [each.n_episodes for each in began[1:]] == [2, 3, 4]
    ids = [each.trig_id for each in began]
    assert len(set(ids)) == 4
    assert began[3].earlier_trig_ids == tuple(reversed(ids[:3]))
    items = (await site.get("/transients", stream="bursts"))["items"]
    assert [each["state"] for each in items].count("retracted") == 1
    assert len(items) == 4


@pytest.mark.parametrize(
    ("name", "level", "change", "start", "last", "n_steps"),
    [
        ("third-look", 23.0, 21.0, 2, 2, 6),  # two looks before
        ("old", 14.0, 16.0, 160, 161, 164),  # after many
        ("little", 21.0, 3.0, 130, 180, 200),  # only the looks together tell
    ],
)
async def test_a_change_is_told_at_any_age(
    site: DecisionSite, name: str, level: float, change: float, start: int, last: int, n_steps: int
) -> None:
    flux = np.full((n_steps, 1, 2), level)
    flux[start:, 0, 0] += change
    places = [NEAR_POLE, offset(NEAR_POLE, -0.8, 0.2)]
    sky = WatchedSky(name, places, add_noise(flux, 5), centre=NEAR_POLE, cadence_s=2.5)
    events = await site.observe(sky)
    (begin, *others) = begun(events, sky)
    assert begin[1] == "variable"
    assert start <= begin[0] <= last
    assert others == []
    window = events[0].trigger
    assert (window == "single") is (name != "little")


async def test_transients_are_told_where_false_peaks_were_and_these_leave(
    site: DecisionSite,
) -> None:
    n = 24
    rng = np.random.default_rng(88)
    # Peaks on a line at equal distances would be an object that moves.
    aside_deg = rng.uniform(-0.25, 0.25, (n, 2))
    places = [
        offset(
            AT_ZERO_HOURS,
            0.8 * (each % 6 - 2.5) + aside_deg[each, 0],
            0.8 * (each // 6 - 1.5) + aside_deg[each, 1],
        )
        for each in range(n)
    ]
    flux = np.zeros((60, 1, n + 1))
    flux[:, 0, n] = 50.0
    noise = add_noise(flux, 89)
    starts = rng.integers(35, 55, n)
    for each in range(n):
        noise[2 + each % 8, 0, each] = rng.uniform(8.05, 8.6)
        duration = rng.integers(1, 6)
        noise[starts[each] : starts[each] + duration, 0, each] += rng.uniform(12, 40)
    sky = WatchedSky(
        "old-peaks", [*places, offset(AT_ZERO_HOURS, 3.0, 0.0)], noise, centre=AT_ZERO_HOURS
    )
    await site.observe(sky, until=34)
    kept = (await site.get("/sources", stream="old-peaks", limit=200))["items"]
    assert len(kept) <= 2
    events = await site.observe(sky)
    late = [
        step
        for step, kind in begun(events, sky)
        if step >= 35 and kind in ("new_source", "variable")
    ]
    assert sorted(late) == sorted(starts.tolist())


@pytest.mark.parametrize("offset_arcsec", [33.0, 71.0])
@pytest.mark.parametrize("centre", [AT_ZERO_HOURS, NEAR_POLE])
async def test_a_bright_source_beside_a_known_one_is_new(
    site: DecisionSite, offset_arcsec: float, centre: tuple[float, float]
) -> None:
    flux = np.zeros((14, 1, 2))
    flux[:, 0, 0] = 25.0
    flux[8:, 0, 1] = 160.0
    places = [centre, offset(centre, offset_arcsec / 3600, 0.0)]
    measured = add_noise(flux, 3)
    measured[:8, 0, 1] = np.nan  # what is measured there is the neighbour
    name = f"beside-{offset_arcsec:.0f}-{centre[1]:.0f}"
    sky = WatchedSky(name, places, measured, centre=centre, pos_err_arcsec=1.0)
    events = await site.observe(sky)
    (event,) = (each for each in events if each.kind != "update")
    assert (event.kind, sky.step_at(event.time_start)) == ("new_source", 8)
    assert event.quality_flags & QualityFlag.NEAR_KNOWN
    rows = (await site.get("/sources", stream=name))["items"]
    assert sorted(each["n_datapoints"] - each["n_forced"] for each in rows) == [6, 14]
    known = max(rows, key=lambda each: each["n_datapoints"] - each["n_forced"])
    assert known["eta"] < 4
