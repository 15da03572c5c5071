"""Every episode of a source is announced, once, and cites those before it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas.identity import trig_id
from tests.support.api_service import client_of
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

PLACE = (123.0, 10.0)
STEADY = (124.0, 10.5)
SIGMA_JY = 1e-3


async def look(case: Associator, step: int, flux_sigma: float, *, answer: bool = True) -> None:
    """Look at a place: a flux above 10 sigma is detected, another is what forced photometry says.

    A steady source beside it keeps the images from being empty.
    """
    seen = [STEADY, PLACE] if flux_sigma >= 10 else [STEADY]
    fluxes = [0.03, flux_sigma * SIGMA_JY][: len(seen)]
    await case.feed(image(step, sources(seen, flux_jy=fluxes, flux_err_jy=SIGMA_JY)))
    waiting = list(case.requests)
    case.requests.clear()
    if answer:
        for request in waiting:
            await store(case, measure(request, flux_sigma * SIGMA_JY))
        case.handler.outbox.expect()
        await case.settle()


async def follow(case: Associator, fluxes_sigma: list[float], **changes: Any) -> list[Any]:
    """Look step by step; return (step, kind) of the events that begin an episode."""
    announced, n_seen = [], 0
    for step, flux in enumerate(fluxes_sigma):
        await look(case, step, flux, **changes)
        announced += [(step, each.kind) for each in case.events[n_seen:] if each.kind != "update"]
        n_seen = len(case.events)
    return announced


def noise(n: int, seed: int = 1) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(0, 1, n), -3, 3)


@pytest.mark.parametrize("answer", [True, False])
async def test_each_burst_of_one_place_is_announced_once(
    postgres_url: str, *, answer: bool
) -> None:
    bursts = {5: 20.0, 30: 35.0, 50: 25.0, 70: 50.0, 90: 30.0}
    fluxes = noise(100) + [bursts.get(step, 0.0) for step in range(100)]
    # Without answers, nothing is waited for.
    wait = {} if answer else {"forced_wait_timesteps": 0}
    async with associator(postgres_url, **wait) as case:
        announced = await follow(case, fluxes.tolist(), answer=answer)
        assert [step for step, _ in announced] == list(bursts)
        assert announced[0] == (5, "new_source")
        first, *others = (event for event in case.events if event.kind != "update")
        assert first.earlier_trig_ids == ()
        ids = [first.trig_id]
        for number, event in enumerate(others, 2):
            assert event.n_episodes == number
            assert event.earlier_trig_ids == tuple(reversed(ids))
            assert event.trig_id == trig_id(case.stream, event.image_id, event.source_number)
            ids.append(event.trig_id)
        rows = await case.rows(
            "select transient.* from transient join stream on stream.id = stream_id "
            "where name = $1 order by episode",
            case.stream,
        )
    assert [row["episode"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(row["time_end"] > row["time_start"] for row in rows)


async def test_a_flare_and_a_second_one_of_a_known_source_are_announced(postgres_url: str) -> None:
    flares = {15: 30.0, 40: 25.0}
    fluxes = 20 + noise(55) + [flares.get(step, 0.0) for step in range(55)]
    async with associator(postgres_url) as case:
        announced = await follow(case, fluxes.tolist())
        assert announced == [(15, "variable"), (40, "variable")]
        event = case.events[0]
        assert (event.trigger, event.extraction_type) == ("single", "blind")
        assert event.flux_expected_jy_beam == pytest.approx(0.02, rel=0.1)
        assert event.trigger_sigma > 10


async def test_a_source_that_vanishes_and_returns_is_announced_both_times(
    postgres_url: str,
) -> None:
    fluxes = [100.0] * 6 + [0.0] * 5 + [100.0] * 12 + [0.5] * 3
    async with associator(postgres_url) as case:
        announced = await follow(case, (np.array(fluxes) + noise(len(fluxes))).tolist())
        assert announced == [(7, "vanished"), (11, "returned"), (24, "vanished")]
        gone, back, again = (event for event in case.events if event.kind != "update")
        assert gone.extraction_type == "forced"
        # What is gone is detected in no band; what comes back in one is no news of bands.
        assert [event.n_bands for event in (gone, back, again)] == [0, 1, 0]
        assert gone.flux_expected_jy_beam == pytest.approx(0.1, rel=0.05)
        assert gone.trigger_sigma < -5
        assert gone.eta is not None
        assert gone.eta > 100
        assert back.earlier_trig_ids == (gone.trig_id,)
        # What it was expected at is what it was while it was away: it rose by so many sigma.
        assert back.flux_expected_jy_beam == pytest.approx(0.0, abs=0.003)
        assert back.trigger_sigma > 20
        # Its return is told by its own alert, and not as an update of "vanished", too.
        assert not [each for each in case.events if each.kind == "update"]
        assert again.earlier_trig_ids == (back.trig_id, gone.trig_id)
        async with client_of(postgres_url) as client:
            listed = (
                await client.get("/api/v1/transients", params={"stream": case.stream})
            ).json()["items"]
            (one,) = (
                await client.get(
                    "/api/v1/transients", params={"stream": case.stream, "kind": "returned"}
                )
            ).json()["items"]
    assert [each["kind"] for each in listed] == ["vanished", "returned", "vanished"]
    assert (one["n_episodes"], one["trigger"]) == (2, "single")


async def test_a_source_that_falls_to_a_fainter_level_has_faded(postgres_url: str) -> None:
    fluxes = [100.0] * 6 + [40.0] * 14 + [80.0]
    async with associator(postgres_url) as case:
        announced = await follow(case, (np.array(fluxes) + noise(len(fluxes))).tolist())
    assert announced == [(7, "faded"), (20, "variable")]


async def test_a_replayed_result_announces_nothing_again(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for step in range(6):
            await look(case, step, 100.0)
        await look(case, 6, 0.0)
        await case.feed(image(7, sources([STEADY], flux_jy=0.03, flux_err_jy=SIGMA_JY)))
        (request,) = case.requests
        for flux in (0.0, 0.0):
            await store(case, measure(request, flux))
        case.handler.outbox.expect()
        await case.settle()
        (event,) = case.events
    assert event.kind == "vanished"


async def test_a_retracted_episode_does_not_silence_later_ones(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        announced = await follow(case, [0.0] * 3 + [30.0] + [0.0] * 10)
        assert announced == [(3, "new_source")]
        await case.pool.execute(
            "update transient set state = 'retracted' from stream "
            "where stream.id = stream_id and name = $1",
            case.stream,
        )
        await look(case, 14, 30.0)
        _, event = case.events
    assert (event.kind, event.n_episodes) == ("variable", 2)


async def test_a_flare_between_detections_is_announced_by_forced_photometry(
    postgres_url: str,
) -> None:
    """A flux below the threshold of detection, far above what was expected, is announced too."""
    async with associator(postgres_url) as case:
        announced = await follow(case, [12.0, 12.0, *noise(5).tolist(), 9.0])
        (event,) = case.events
    assert announced == [(7, "new_source")]
    assert event.extraction_type == "forced"
    assert event.source_number >= 1 << 24


async def test_a_late_image_begins_no_episode(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for step in range(6):
            await look(case, step, 20.0)
        late = image(
            2.5, sources([STEADY, PLACE], flux_jy=[0.03, 0.09], flux_err_jy=SIGMA_JY), salt="late"
        )
        await case.feed(replace(late, warnings=("late",)))
        assert case.events == []
        (row,) = [row for row in await case.sources() if row["ra"] < 123.5]
    assert row["n_datapoints"] == 7
