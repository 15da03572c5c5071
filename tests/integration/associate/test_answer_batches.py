"""Answers in batches: the rows, the events and their order of the same answers one by one."""

import itertools
import os
from typing import Any

import pytest

from tests.support.fed_outcome import assert_same
from tests.support.fed_sky import FedSky, Feed, feed_sky

_SKIES: dict[str, dict[str, Any]] = {
    "days": {},
    "noise": {"n_peaks": 2, "cadence_s": 8.0},
    "fields": {"turns": True, "cadence_s": 8.0},
    "moving": {"moves": True, "cadence_s": 8.0},
}
_FEEDS: dict[str, dict[str, Any]] = {
    "in time": {},
    "late": {"lag_steps": 6},
    "shuffled": {"lag_steps": 6, "shuffles": True},
    "repeated": {"lag_steps": 4, "shuffles": True, "repeats": True},
}
_CASES = [
    ("noise", "repeated", 5501, 0),
    ("fields", "shuffled", 5501, 4),
]
# ANSWER_BATCH_SEEDS=5 tries as many skies of each kind with every feed.
_CASES += [
    (*each, 4 * (each[2] % 2))
    for each in itertools.product(
        _SKIES, _FEEDS, range(int(os.environ.get("ANSWER_BATCH_SEEDS", "0")))
    )
]


@pytest.mark.parametrize(("sky", "feed", "seed", "lookback_images"), _CASES)
async def test_answers_may_be_stored_together(
    postgres_url: str, sky: str, feed: str, seed: int, lookback_images: int
) -> None:
    fed = FedSky.generate(seed, n_steps=20, **_SKIES[sky])
    settings = {
        "lookback_wait_ms": 3.6e6,
        "lookback_images": lookback_images,
        # Some answers come after they were given up.
        "forced_wait_timesteps": 5,
    }
    case = f"{seed} {sky} {feed}"
    feeds = [Feed(seed, **_FEEDS[feed], most_together=most) for most in (1, 40)]
    alone = await feed_sky(postgres_url, fed, feeds[0], case=case, **settings)
    assert "new_source" in alone.kinds()
    together = await feed_sky(postgres_url, fed, feeds[1], case=case, **settings)
    assert_same(alone, together)
    assert alone.order == together.order
