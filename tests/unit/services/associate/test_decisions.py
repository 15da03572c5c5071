"""What a timestep decides, from detections and catalogue rows alone: no database."""

import copy
import math
from datetime import timedelta

import numpy as np
import pytest

from schemas.identity import trig_id
from schemas.messages import ImageDetections
from services.associate.models.catalogue import Monitors
from services.associate.models.decisions import SourceRows
from services.associate.models.evidence import LastNotified
from services.associate.models.timesteps import KnownImage
from tests.support.records import START, image, rejected, sources
from tests.support.timesteps import (
    FIRST_IMAGE_KEY,
    FIRST_SOURCE_ID,
    NOW,
    decide_timestep,
    known_source,
    known_statistics,
    prior_coverage,
    state_of,
    timestep_of,
)

HERE, THERE = (123.0, 10.0), (123.5, 10.2)
LOW_HZ, HIGH_HZ = 140e6, 160e6
BRIGHT_JY = 0.02
SAME_OFFSET, OTHER_OFFSET = timestep_of(image(1)).records[0].source, image(1).source


def detected(rows: SourceRows, name: str) -> list[object]:
    """Return one column of the detections of all images."""
    return [value for each in rows.detections for value in each.columns[name].tolist()]


def last_notified(**changes: object) -> LastNotified:
    values = {
        "transient_id": 40, "trig_id": "family", "source_id": 1, "kind": "new_source",
        "certainty": "certain", "snr": 20.0, "n_bands": 1, "ra": HERE[0], "dec": HERE[1],
        "ra_err_deg": 3 / 3600, "dec_err_deg": 3 / 3600, "limit_previous_jy_beam": 0.01,
    } | changes  # fmt: skip
    return LastNotified(**values)


def test_a_detection_near_a_source_moves_it_to_the_weighted_mean():
    timestep = timestep_of(image(1, [(HERE[0], HERE[1] + 10 / 3600)]))
    _, decisions = decide_timestep(timestep, state_of(timestep, known_source(1, *HERE)))
    rows = decisions.sources
    assert rows.created == []
    assert rows.updated["id"].tolist() == [1]
    assert rows.updated["n_datapoints"].tolist() == [2]
    assert rows.updated["dec"][0] == pytest.approx(HERE[1] + 5 / 3600, abs=1e-9)
    assert rows.updated["weight_dec"][0] == pytest.approx(2 * 360.0**2)
    assert detected(rows, "source_id") == [1]
    assert rows.last_time_start == START + timedelta(days=1)


def test_a_detection_far_from_every_source_creates_one():
    timestep = timestep_of(image(1, [THERE, HERE]))
    questions, decisions = decide_timestep(timestep, state_of(timestep, known_source(1, *HERE)))
    (created,) = decisions.sources.created
    assert (questions.n_images, questions.n_sources) == (1, 1)
    assert created["id"].tolist() == [FIRST_SOURCE_ID]
    assert created["first_image_key"].tolist() == [FIRST_IMAGE_KEY]
    assert created["first_source_number"].tolist() == [0]
    assert created["parent_source_id"] is None
    assert (created["ra"][0], created["dec"][0]) == THERE
    assert [each.image_key for each in decisions.sources.detections] == [FIRST_IMAGE_KEY]
    assert sorted(detected(decisions.sources, "source_id")) == [1, FIRST_SOURCE_ID]


def test_bands_of_one_timestep_share_the_source_that_the_first_creates():
    timestep = timestep_of(
        image(1, [HERE], freq_eff_hz=LOW_HZ), image(1, [HERE], freq_eff_hz=HIGH_HZ)
    )
    _, decisions = decide_timestep(timestep, state_of(timestep))
    (created,) = decisions.sources.created
    assert created["id"].tolist() == [FIRST_SOURCE_ID]
    assert created["n_datapoints"].tolist() == [2]
    assert detected(decisions.sources, "source_id") == [FIRST_SOURCE_ID] * 2
    assert [each.key[0] for each in decisions.sources.detections] == [1, 2]
    assert [each.key for each in decisions.sources.statistics] == [(1, "I"), (2, "I")]


def test_a_split_creates_a_child_that_inherits_the_history():
    near, far = (HERE[0], HERE[1] + 2 / 3600), (HERE[0], HERE[1] - 8 / 3600)
    timestep = timestep_of(image(1, [far, near]))
    state = state_of(
        timestep,
        known_source(1, *HERE, n_datapoints=5),
        statistics={"I": known_statistics(1, n_datapoints=5, flux_int_mean_jy=0.01)},
    )
    questions, decisions = decide_timestep(timestep, state, prior=[prior_coverage()])
    (child,) = decisions.sources.created
    assert child["parent_source_id"].tolist() == [1]
    assert child["n_datapoints"].tolist() == [6]
    assert decisions.sources.updated["n_datapoints"].tolist() == [6]
    assert decisions.notifications == []
    assert questions.first_detections == {}


def test_a_detection_of_two_sources_is_shared():
    left, right = (HERE[0] - 15 / 3600, HERE[1]), (HERE[0] + 16 / 3600, HERE[1])
    timestep = timestep_of(image(1, [HERE]))
    state = state_of(timestep, known_source(1, *left), known_source(2, *right))
    _, decisions = decide_timestep(timestep, state)
    assert detected(decisions.sources, "source_id") == [1]
    (shared,) = decisions.sources.shared
    assert shared.columns["source_id"].tolist() == [2]
    assert shared.columns["source_number"].tolist() == [0]
    assert decisions.sources.updated["n_datapoints"].tolist() == [2, 2]


def test_detections_are_stored_by_source_with_their_numbers_in_the_image():
    timestep = timestep_of(image(1, [HERE, THERE]))
    state = state_of(timestep, known_source(1, *THERE), known_source(2, *HERE))
    _, decisions = decide_timestep(timestep, state)
    assert detected(decisions.sources, "source_id") == [1, 2]
    assert detected(decisions.sources, "source_number") == [1, 0]
    assert detected(decisions.sources, "ra") == [THERE[0], HERE[0]]


def test_a_source_that_drifts_gets_a_new_search_position_and_no_other():
    drifted = known_source(1, *HERE, search_dec=HERE[1] - 11 / 3600)
    steady = known_source(2, *THERE, search_dec=THERE[1] - 9 / 3600)
    timestep = timestep_of(image(1, [HERE, THERE]))
    _, decisions = decide_timestep(timestep, state_of(timestep, drifted, steady))
    assert decisions.sources.moved["id"].tolist() == [1]
    assert decisions.sources.moved["search_dec"][0] == pytest.approx(HERE[1])
    assert decisions.sources.moved["zone"].tolist() == [20]


# The threshold is 10 sigma, the margin of the test 1: new above 11 times the earlier rms.
@pytest.mark.parametrize(
    ("rms_jy_beam", "certainty"),
    [
        (1.8e-3, "certain"),
        (np.linspace(1.7e-3, 1.9e-3, 16).reshape(4, 4), "possible"),
        (1.9e-3, None),
    ],
)
def test_a_first_detection_is_new_where_an_earlier_image_would_have_detected_it(
    rms_jy_beam: float, certainty: str | None
):
    timestep = timestep_of(image(1, sources([HERE], flux_jy=BRIGHT_JY)))
    prior = [prior_coverage(rms_jy_beam)]
    _, decisions = decide_timestep(timestep, state_of(timestep), prior=prior)
    assert [each.event.certainty for each in decisions.notifications] == [certainty] * (
        certainty is not None
    )
    (created,) = decisions.sources.created
    assert created["is_new"].tolist() == [certainty is not None]


def test_nothing_is_new_where_no_earlier_image_has_searched():
    timestep = timestep_of(image(1, sources([HERE], flux_jy=BRIGHT_JY)))
    assert decide_timestep(timestep, state_of(timestep))[1].notifications == []
    # The centre of the field lies 900 px from the border of the earlier image.
    for margin_px, n_events in ((890, 1), (901, 0)):
        prior = [prior_coverage(margin_px=margin_px)]
        _, decisions = decide_timestep(timestep, state_of(timestep), prior=prior)
        assert len(decisions.notifications) == n_events


def test_the_event_of_a_new_source_reports_its_best_detection():
    timestep = timestep_of(
        image(1, sources([HERE], flux_jy=BRIGHT_JY), freq_eff_hz=LOW_HZ),
        image(1, sources([THERE, HERE], flux_jy=[0.01, 0.03]), freq_eff_hz=HIGH_HZ),
    )
    _, decisions = decide_timestep(timestep, state_of(timestep), prior=[prior_coverage()])
    (notification,) = decisions.notifications
    event, transient = notification.event, notification.transient
    assert (event.kind, event.snr, event.freq_eff_hz) == ("new_source", 30.0, HIGH_HZ)
    assert (event.source_id, event.source_number, event.n_bands) == (FIRST_SOURCE_ID, 1, 2)
    assert event.limit_previous_jy_beam == pytest.approx(11e-3)
    # The family is named after the first detection, that of the lower band.
    assert event.trig_id == trig_id("test", timestep.records[0].image_id, 0)
    assert event.times.time_associated == notification.time_detected == NOW
    assert transient is not None
    assert transient.image_key == FIRST_IMAGE_KEY + 1
    assert transient.last_notified_n_bands == 2


def test_a_variable_source_is_announced_once_and_named_after_its_first_detection():
    moments = {
        "n_datapoints": 9, "flux_int_mean_jy": 0.01, "flux_int_m2": 2e-5,
        "flux_int_weight": 9 / 5e-4**2, "flux_int_wmean_jy": 0.01, "flux_int_wm2": 80.0,
    }  # fmt: skip
    timestep = timestep_of(image(1, [HERE]))
    for is_variable, n_events in ((False, 1), (True, 0)):
        source = known_source(1, *HERE, n_datapoints=9, is_variable=is_variable)
        state = state_of(timestep, source, statistics={"I": known_statistics(1, **moments)})
        questions, decisions = decide_timestep(timestep, state, image_ids={101: "first-image"})
        assert list(questions.first_image_keys) == [101] * n_events
        assert len(decisions.notifications) == n_events
        assert (decisions.sources.flagged is None) == (n_events == 0)
        for notification in decisions.notifications:
            assert notification.event.kind == "variable"
            assert notification.event.trig_id == trig_id("test", "first-image", 3)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({}, None),
        ({"snr": 13.0}, "S/N 20.0, last reported 13.0"),
        ({"n_bands": 0}, "detected in 1 bands at once, last reported 0"),
        ({"dec": HERE[1] + 12 / 3600}, "12.0 arcsec (4.0 sigma) from the position last reported"),
        ({"dec": HERE[1] + 1, "dec_err_deg": 0.0}, None),
    ],
)
def test_what_has_changed_since_the_last_event_makes_an_update(
    change: dict[str, float], note: str | None
):
    timestep = timestep_of(image(1, sources([HERE], flux_jy=BRIGHT_JY)))
    state = state_of(timestep, known_source(1, *HERE, is_new=True))
    last = last_notified(**change)
    questions, decisions = decide_timestep(timestep, state, last_notified=[last])
    assert questions.notified is not None
    assert list(questions.notified.ids) == [1]
    assert [each.event.note for each in decisions.notifications] == [note] * (note is not None)
    for notification in decisions.notifications:
        assert notification.transient is None
        assert notification.event.kind == "update"
        assert notification.event.transient_kind == "new_source"
        assert (notification.event.trig_id, notification.event.transient_id) == ("family", 40)


def test_the_cool_down_counts_from_the_start_of_the_timestep():
    timestep = timestep_of(image(1, [HERE]))
    state = state_of(timestep, known_source(1, *HERE, is_new=True))
    questions, _ = decide_timestep(timestep, state, settings={"update_cool_down_s": 60.0})
    assert questions.notified is not None
    assert questions.notified.notified_before == START + timedelta(days=1, seconds=-60)


def test_a_late_image_updates_nothing_measures_nothing_and_closes_nothing():
    timestep = timestep_of(image(1, [HERE]), is_late=True)
    state = state_of(timestep, known_source(1, *HERE, is_new=True))
    questions, decisions = decide_timestep(timestep, state)
    assert (questions.notified, questions.detected_ids) == (None, None)
    assert [entry.outcome for entry in decisions.entries] == ["late"]
    assert decisions.forced is None
    assert decisions.closed_until is None
    assert len(decisions.coverage) == 1
    assert decisions.sources.updated["n_datapoints"].tolist() == [2]


def test_a_rejected_image_is_stored_and_has_no_further_effect():
    timestep = timestep_of(rejected(image(1)))
    questions, decisions = decide_timestep(timestep, state_of(timestep))
    assert questions.n_images == 1
    assert [entry.outcome for entry in decisions.entries] == ["rejected"]
    assert [row.band_id for row in decisions.images] == [None]
    assert decisions.coverage == []
    assert decisions.forced is None
    assert decisions.closed_until is None


@pytest.mark.parametrize(
    ("known", "record", "outcomes", "replaced"),
    [
        (KnownImage(SAME_OFFSET, "accepted"), image(1, [HERE]), [], 0),
        (KnownImage(OTHER_OFFSET, "accepted"), image(1, [HERE]), ["duplicate"], 0),
        (KnownImage(OTHER_OFFSET, "rejected"), rejected(image(1)), ["duplicate"], 0),
        (KnownImage(OTHER_OFFSET, "rejected"), image(1, [HERE]), ["processed"], 1),
    ],
)
def test_an_image_that_is_stored_is_a_replay_a_duplicate_or_replaced(
    known: KnownImage, record: ImageDetections, outcomes: list[str], replaced: int
):
    timestep = timestep_of(record)
    state = state_of(timestep, images={record.image_id: known})
    _, decisions = decide_timestep(timestep, state)
    assert [entry.outcome for entry in decisions.entries] == outcomes
    assert list(decisions.replaced_image_ids) == [record.image_id] * replaced
    assert len(decisions.images) == replaced
    assert len(decisions.sources.detections) == replaced


def test_a_new_source_is_measured_in_the_bands_that_do_not_detect_it():
    timestep = timestep_of(
        image(1, sources([HERE, THERE], flux_jy=[BRIGHT_JY, 0.005]), freq_eff_hz=LOW_HZ),
        image(1, freq_eff_hz=HIGH_HZ),
    )
    _, decisions = decide_timestep(timestep, state_of(timestep), prior=[prior_coverage()])
    (image_request,) = decisions.forced.requests
    # The faint one is not announced: it may always have been there.
    assert image_request.request.positions.position_id.tolist() == [FIRST_SOURCE_ID]
    assert image_request.request.image_id == timestep.records[1].image_id


def test_a_monitor_begins_with_the_first_image_that_covers_it():
    timestep = timestep_of(
        image(1, [HERE], freq_eff_hz=LOW_HZ, centre=(200.0, 10.0)),
        image(1, freq_eff_hz=HIGH_HZ),
    )
    monitors = Monitors(
        id=np.array([11, 12, 13]),
        ra=np.array([THERE[0], 10.0, 123.1]),
        dec=np.array([THERE[1], -60.0, 10.1]),
        source_id=np.array([0, 0, 77]),
        pm_ra_cosdec_mas_yr=np.zeros(3),
        pm_dec_mas_yr=np.zeros(3),
        epoch_yr=np.full(3, 2000.0),
    )
    questions, decisions = decide_timestep(timestep, state_of(timestep, monitors=monitors))
    (begun,) = decisions.forced.monitor_sources
    assert questions.n_sources == 2  # the detection creates the other one
    assert (begun.monitor_id, begun.source_id) == (11, FIRST_SOURCE_ID + 1)
    assert begun.first_image_key == FIRST_IMAGE_KEY + 1
    (request,) = decisions.forced.requests
    assert request.request.positions.position_id.tolist() == [FIRST_SOURCE_ID + 1, 77]
    assert set(request.request.positions.extraction_type) == {"monitor"}


def test_without_forced_photometry_nothing_is_asked():
    timestep = timestep_of(image(1, [HERE]))
    questions, decisions = decide_timestep(
        timestep, state_of(timestep), settings={"forced_photometry": False}
    )
    assert questions.detected_ids is None
    assert decisions.forced is None


def test_an_unusable_error_matches_nothing():
    timestep = timestep_of(image(1, sources([HERE], pos_err_arcsec=math.inf)))
    _, decisions = decide_timestep(timestep, state_of(timestep, known_source(1, *HERE)))
    assert decisions.sources.updated is None
    assert len(decisions.sources.created) == 1


def test_deciding_changes_none_of_its_input_and_repeats_itself():
    timestep = timestep_of(image(1, sources([HERE, THERE], flux_jy=BRIGHT_JY)))
    state = state_of(
        timestep,
        known_source(1, *HERE, is_new=True),
        statistics={"I": known_statistics(1, flux_int_mean_jy=0.01)},
    )
    before = copy.deepcopy(state)
    evidence = {"prior": [prior_coverage()], "last_notified": [last_notified(snr=10.0)]}
    first, second = (decide_timestep(timestep, state, **evidence)[1] for _ in range(2))
    assert len(first.notifications) == 2
    assert first.notifications == second.notifications
    assert first.images == second.images
    np.testing.assert_array_equal(state.sources, before.sources)
    np.testing.assert_array_equal(state.statistics[1, "I"], before.statistics[1, "I"])
