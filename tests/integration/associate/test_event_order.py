"""The same images and answers give the same events and rows, whenever the answers come."""

import itertools
import os
from typing import Any

import pytest

from runtime.errors import RejectedMessageError
from tests.support.association import associator
from tests.support.fed_outcome import assert_same
from tests.support.fed_sky import FedSky, Feed, feed_sky
from tests.support.forced_results import measure, store
from tests.support.records import image

HERE, THERE = (123.0, 10.0), (124.0, 10.5)

# What decides is event time, not the clock: an announcement waits for the answers to its look
# back, and a detection beside a source in doubt for those about that.
_SETTINGS: dict[str, Any] = {"lookback_wait_ms": 3.6e6, "archive_wait_s": 3600.0}
# Images every 8 s: the lower bands see a dispersed burst in a later timestep.
_SKIES: dict[str, dict[str, Any]] = {
    "days": {},
    "seconds": {"cadence_s": 8.0},
    "noise": {"n_peaks": 2},
    "fields": {"turns": True, "cadence_s": 8.0},
    "moving": {"moves": True, "cadence_s": 8.0},
    "recurring": {"n_peaks": 2, "recurs": True, "cadence_s": 8.0},
}
_FEEDS = {
    "late": Feed(1, lag_steps=3),
    "shuffled": Feed(2, lag_steps=6, shuffles=True),
    "repeated": Feed(3, shuffles=True, repeats=True),
    "restarted": Feed(4, lag_steps=2, shuffles=True, restarts=True),
}
_CASES = [
    (5501, "days", "late", 0),
    (5501, "seconds", "restarted", 4),
    (5501, "noise", "shuffled", 4),
    (5501, "fields", "repeated", 0),
    (5501, "moving", "shuffled", 4),
    (5501, "recurring", "shuffled", 4),
    (5502, "recurring", "restarted", 0),
]
# EVENT_ORDER_SEEDS=20 tries as many skies of each kind with every feed, two minutes each.
_CASES += itertools.product(
    range(int(os.environ.get("EVENT_ORDER_SEEDS", "0"))), _SKIES, _FEEDS, (0, 4)
)


@pytest.mark.parametrize(("seed", "sky", "feed", "lookback_images"), _CASES)
async def test_answers_may_come_at_any_time(
    postgres_url: str, seed: int, sky: str, feed: str, lookback_images: int
) -> None:
    fed = FedSky.generate(seed, n_steps=20, **_SKIES[sky])
    settings = _SETTINGS | {"lookback_images": lookback_images}
    if sky == "recurring":  # peaks that were announced leave, too
        settings["archive_announced_snr"] = 15.0
    case = f"{seed} {sky} {feed}"
    in_time = await feed_sky(postgres_url, fed, Feed(), case=case, **settings)
    assert "new_source" in in_time.kinds()
    assert "variable" in in_time.kinds()
    assert ("moving" in in_time.kinds()) == (sky == "moving")
    assert in_time.tables["waiting"] == []
    theirs = await feed_sky(postgres_url, fed, _FEEDS[feed], case=case, **settings)
    assert_same(in_time, theirs)


async def test_answers_that_never_come_hold_nothing_back_for_ever(postgres_url: str) -> None:
    fed = FedSky.generate(5501, n_steps=20)
    settings = _SETTINGS | {"lookback_images": 0, "forced_wait_timesteps": 3}
    found = await feed_sky(postgres_url, fed, Feed(answers=False), case="never", **settings)
    assert {"new_source", "variable"} <= found.kinds()
    assert len(found.tables["waiting"]) <= 3 * 4  # timesteps, and the requests of three bands


async def test_an_answer_that_is_refused_is_one(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [HERE, THERE]))
        await case.feed(image(1, [HERE]))
        (request,) = case.requests
        with pytest.raises(RejectedMessageError, match="flux nan"):
            await store(case, measure(request, float("nan")))
        query = "select count(*) as n from {} join stream on stream.id = stream_id where name = $1"
        for table in ("waiting_request", "waiting_timestep"):
            assert await case.rows(query.format(table), case.stream) == [{"n": 0}]
