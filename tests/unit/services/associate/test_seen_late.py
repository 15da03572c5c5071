"""A source that late images alone have detected is news for the first image in order."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas.identity import trig_id
from services.associate.models.catalogue import (
    NO_SEEN_LATE,
    STATISTICS_DTYPE,
    CatalogueState,
    RowArray,
    SeenLate,
)
from services.associate.models.change_state import CHANGE_DTYPE
from services.associate.models.decisions import Decisions
from services.associate.models.timesteps import Timestep
from services.associate.steps.seen_late import find_unlooked
from tests.support.records import image, sources
from tests.support.timesteps import (
    decide_timestep,
    known_source,
    known_statistics,
    prior_coverage,
    state_of,
    timestep_of,
)

HERE, THERE = (123.0, 10.0), (123.5, 10.2)
BRIGHT_JY = 0.02
# Key of the first image of source 1 in `known_source`.
LATE_KEY, LATE_ID = 101, "e" * 64


def statistics_with(source_id: int, n_looks: int) -> RowArray:
    """Return the statistics of a source with so many looks."""
    changes = np.zeros(1, CHANGE_DTYPE)
    changes["n_looks"] = n_looks
    row = known_statistics(source_id)
    row["change_state"] = changes.view(STATISTICS_DTYPE["change_state"])
    return row


def seen_late(timestep: Timestep, **changes: Any) -> CatalogueState:
    state = state_of(timestep, known_source(1, *HERE, **changes))
    return replace(state, seen_late=SeenLate(np.array([1]), {LATE_KEY: LATE_ID}))


def decide_bright(*, is_prior_late: bool) -> Decisions:
    timestep = timestep_of(image(1, sources([HERE], flux_jy=BRIGHT_JY)))
    prior = [prior_coverage(is_late=is_prior_late)]
    return decide_timestep(timestep, seen_late(timestep), prior=prior)[1]


def test_a_late_image_asks_and_announces_nothing():
    timestep = timestep_of(image(1, sources([HERE], flux_jy=BRIGHT_JY)), is_late=True)
    questions, decisions = decide_timestep(timestep, state_of(timestep), prior=[prior_coverage()])
    (created,) = decisions.sources.created
    assert questions.first_detections == {}
    assert decisions.notifications == []
    assert (created["is_new"].tolist(), created["n_episodes"].tolist()) == ([False], [0])


def test_an_image_in_order_announces_what_late_images_alone_have_seen():
    decisions = decide_bright(is_prior_late=False)
    (notification,) = decisions.notifications
    assert notification.event.kind == "new_source"
    assert notification.event.trig_id == trig_id("test", LATE_ID, 3)
    assert notification.event.n_datapoints == 2
    assert decisions.sources.flagged["is_new"].tolist() == [True]
    assert decisions.sources.flagged["n_episodes"].tolist() == [1]


def test_the_limit_of_a_late_image_is_no_evidence():
    decisions = decide_bright(is_prior_late=True)
    assert decisions.notifications == []
    assert decisions.sources.flagged is None


def test_a_history_of_late_images_announces_the_source_no_second_time():
    """Points that differ: eta and V call it variable, too."""
    timestep = timestep_of(image(1, sources([HERE], flux_jy=BRIGHT_JY)))
    history = known_statistics(
        1, n_datapoints=3, flux_int_mean_jy=0.021, flux_int_m2=3.2e-5, flux_int_weight=1e7,
        flux_int_wmean_jy=0.021, flux_int_wm2=200.0,
    )  # fmt: skip
    state = replace(seen_late(timestep, n_datapoints=3), statistics={(1, "I"): history})
    evidence = {"prior": [prior_coverage()], "image_ids": {LATE_KEY: LATE_ID}}
    _, decisions = decide_timestep(timestep, state, **evidence)
    assert [each.event.kind for each in decisions.notifications] == ["new_source"]
    known = replace(state, seen_late=NO_SEEN_LATE)
    _, decisions = decide_timestep(timestep, known, **evidence)
    assert [each.event.kind for each in decisions.notifications] == ["variable"]


def test_a_source_in_another_place_is_left_alone():
    timestep = timestep_of(image(1, sources([THERE], flux_jy=BRIGHT_JY)))
    _, decisions = decide_timestep(timestep, seen_late(timestep), prior=[prior_coverage()])
    (notification,) = decisions.notifications
    assert notification.event.source_id != 1


@pytest.mark.parametrize(
    ("changes", "n_looks", "is_unlooked"),
    [
        ({}, 0, True),
        ({}, 1, False),
        ({"n_episodes": 1}, 0, False),
        ({"activity": 2}, 0, False),
    ],
)
def test_a_look_an_episode_or_a_wait_ends_it(
    changes: dict[str, int], n_looks: int, *, is_unlooked: bool
) -> None:
    timestep = timestep_of(image(1, [HERE]))
    state = state_of(
        timestep,
        known_source(1, *HERE, **changes),
        known_source(2, *THERE),
        statistics={
            "I": np.concatenate([statistics_with(1, n_looks), statistics_with(2, 3)]),
            "V": statistics_with(1, 0),
        },
    )
    assert find_unlooked(state).tolist() == ([1] if is_unlooked else [])


def test_nothing_is_unlooked_in_an_empty_sky():
    timestep = timestep_of(image(1, [HERE]))
    assert find_unlooked(state_of(timestep)).size == 0
