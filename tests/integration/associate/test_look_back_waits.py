"""How long a new source waits for what earlier images show, and what happens without answers."""

import pytest

from services.extract.steps.forced_requests import without_fluxes
from tests.support.association import associator
from tests.support.forced_results import measure, store
from tests.support.look_back_cases import (
    BRIGHT_JY,
    FAINT_JY,
    LOOKBACK,
    NO_WAIT,
    announce_overdue,
    answer,
    detect,
    forced_sums,
    look_back_row,
    shot,
)


async def test_an_event_waits_no_longer_than_its_limit(postgres_url: str) -> None:
    async with associator(postgres_url, name="overdue", **NO_WAIT) as case:
        requests = await detect(case, BRIGHT_JY)
        await announce_overdue(case)
        (event,) = case.events
        assert (event.kind, event.look_back) == ("new_source", "not_looked_back")
        assert event.flux_previous_jy_beam is None
    async with associator(postgres_url, name="overdue", **NO_WAIT) as case:
        await announce_overdue(case)
        assert case.events == []
        for _ in range(2):
            await answer(case, requests, [1e-4] * 4)
        (update,) = case.events
    assert (update.kind, update.look_back) == ("update", "looked_back")
    assert update.trig_id == event.trig_id
    assert update.flux_previous_jy_beam == pytest.approx(1e-4)
    assert update.note is not None
    assert update.note.startswith("looked back: 0.10 +- 0.50 mJy/beam in 4 earlier images")


async def test_what_follows_a_look_back_is_as_certain_as_it(postgres_url: str) -> None:
    async with associator(postgres_url, **NO_WAIT) as case:
        requests = await detect(case, BRIGHT_JY)
        await announce_overdue(case)
        # As where the noise of the earlier images leaves room for doubt.
        await case.rows(
            "update transient set certainty = 'possible' where source_id = $1",
            case.events[0].source_id,
        )
        await answer(case, requests, [1e-4] * 4)
        await case.feed(shot(5, 4 * BRIGHT_JY))
        first, looked_back, brighter = case.events
    assert (looked_back.kind, looked_back.certainty) == ("update", "certain")
    assert (brighter.kind, brighter.certainty) == ("update", "certain")
    assert brighter.snr > 3 * first.snr


async def test_what_was_announced_early_is_retracted_if_it_was_there(postgres_url: str) -> None:
    async with associator(postgres_url, **NO_WAIT) as case:
        requests = await detect(case, BRIGHT_JY)
        await announce_overdue(case)
        await answer(case, requests, [0.0195] * 4)
        event, retraction = case.events
        (transient,) = await case.rows(
            "select * from transient where source_id = $1", event.source_id
        )
    assert retraction.kind == "retraction"
    assert retraction.trig_id == event.trig_id
    assert transient["state"] == "retracted"
    assert transient["retraction_reason"].startswith("known below threshold: 19.50 +- 0.50")


async def test_what_the_limit_would_not_tell_waits_for_its_answers(postgres_url: str) -> None:
    async with associator(postgres_url, **NO_WAIT) as case:
        requests = await detect(case, FAINT_JY)
        await announce_overdue(case)
        assert case.events == []
        await answer(case, requests, [0.0] * 4)
        (event,) = case.events
    assert (event.kind, event.look_back) == ("new_source", "looked_back")


@pytest.mark.parametrize(("flux_jy", "n_announced"), [(BRIGHT_JY, 1), (FAINT_JY, 0)])
async def test_without_pixels_the_limit_decides(
    postgres_url: str, flux_jy: float, n_announced: int
) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        for request in await detect(case, flux_jy):
            await store(case, without_fluxes(request, "not_kept"))
        await case.settle()
        assert [each.look_back for each in case.events] == ["not_looked_back"] * n_announced
        row = await look_back_row(case)
        assert (row["verdict"], row["n_look_back"]) == ("not_looked_back", 0)


@pytest.mark.parametrize("n_answers", [3, 0])
async def test_a_look_back_without_all_answers_ends_by_those_that_came(
    postgres_url: str, n_answers: int
) -> None:
    async with associator(postgres_url, **LOOKBACK, forced_wait_timesteps=3) as case:
        requests = await detect(case, FAINT_JY)
        await answer(case, requests[:n_answers], [9e-3, 1e-2, 8e-3][:n_answers])
        for step in (5, 6):
            await case.feed(shot(step, FAINT_JY))
        assert (await look_back_row(case))["verdict"] is None
        assert [row[0] for row in await forced_sums(case)] == [0]
        await case.feed(shot(7, FAINT_JY))
        row = await look_back_row(case)
        assert row["n_look_back"] == n_answers
        assert row["verdict"] == ("known_below_threshold" if n_answers else "not_looked_back")
        assert [row[0] for row in await forced_sums(case)] == [n_answers]
        waiting = "select timestep_id from waiting_timestep join stream on stream.id = stream_id "
        assert await case.rows(waiting + "where name = $1", case.stream) == []
        # One that comes after all counts, and other tests may tell the source by now.
        for _ in range(2):
            await answer(case, requests[3:], [9.5e-3])
        assert [row[0] for row in await forced_sums(case)] == [n_answers + 1]
        assert case.events == []
        await case.feed(shot(8, 0.03))
        (event,) = case.events
    assert (event.kind, event.n_forced) == ("variable", n_answers + 1)


async def test_an_event_without_answers_stays_as_it_was_announced(postgres_url: str) -> None:
    async with associator(postgres_url, **NO_WAIT, forced_wait_timesteps=3) as case:
        requests = await detect(case, BRIGHT_JY)
        await announce_overdue(case)
        for step in range(5, 9):
            await case.feed(shot(step, BRIGHT_JY))
        assert (await look_back_row(case))["verdict"] == "not_looked_back"
        await answer(case, requests, [0.0195] * 4)
        (event,) = case.events
        assert [row[0] for row in await forced_sums(case)] == [4]
    assert (event.kind, event.look_back) == ("new_source", "not_looked_back")


async def test_a_restarted_associator_announces_what_was_left(postgres_url: str) -> None:
    async with associator(postgres_url, name="restarted", **LOOKBACK) as case:
        requests = await detect(case, BRIGHT_JY)
        await answer(case, requests[:2], [0.0] * 2)
    async with associator(postgres_url, name="restarted", **LOOKBACK) as case:
        assert case.events == []
        await answer(case, requests[2:], [0.0] * 2)
        (event,) = case.events
    assert (event.kind, event.n_look_back) == ("new_source", 4)


async def test_a_source_that_waits_is_not_archived(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        requests = await detect(case, BRIGHT_JY)
        for step in range(6, 10):
            await case.feed(shot(step))
            for request in case.requests:
                await store(case, measure(request, 0.0))
            case.requests.clear()
        await answer(case, requests, [0.0] * 4)
        (event,) = case.events
    assert event.kind == "new_source"
