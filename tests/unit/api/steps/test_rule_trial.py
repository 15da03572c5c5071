"""A trial of rules decides as the alert service does."""

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.models.rules import RuleTrialOrder
from api.steps.rule_trial import PastEvent, try_rules
from livetrap.rule_replay.replay import FOLLOWS, RuleReplay
from rules.quantities import facts_of
from rules.rule_set import parse_rules
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from schemas.quality import QualityFlag
from tests.support.vtp_events import START, source_event

RULES = parse_rules(
    "[[rule]]\nname = 'bright'\nwhen = 'snr > 12'\n[[rule]]\nname = 'good'\nwhen = 'snr > 8'\n",
    "-",
)
ORDER = RuleTrialOrder(rules="", max_per_image=2, max_per_minute=3)
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def past_of(event: SourceEvent, **facts: bool) -> PastEvent:
    return PastEvent(
        event, NOW, facts.get("was_alerted", False), facts.get("was_alerted_before", False)
    )


@st.composite
def events(draw: st.DrawFn) -> list[SourceEvent]:
    """Draw events of few sources and images in all the ways that a rule can end."""
    drawn = []
    for number in range(draw(st.integers(0, 12))):
        event = source_event(
            draw(st.integers(0, 4)),
            image_id=draw(st.sampled_from(["one", "two"])),
            time_start=START + timedelta(seconds=draw(st.integers(0, 90))),
            kind=draw(st.sampled_from(["new_source", "variable", "update", "retraction"])),
            snr=draw(st.sampled_from([5.0, 10.0, 15.0])),
            ra=draw(st.sampled_from([10.0, math.nan])),
            quality_flags=draw(st.sampled_from([0, int(QualityFlag.SIDE_LOBE)])),
        )
        drawn.append(replace(event, event_id=str(number)))
    return drawn


@given(events())
def test_it_ends_as_in_the_alert_service(drawn: list[SourceEvent]) -> None:
    rules = [RULES.find(facts_of(event)) for event in drawn]
    due = Counter(
        event.image_id
        for event, rule in zip(drawn, rules, strict=True)
        if rule is not None and event.kind not in ("update", "retraction")
    )
    limits = {"max_per_image": ORDER.max_per_image, "max_per_minute": ORDER.max_per_minute}
    replay = RuleReplay(AlertSettings(**limits), due)
    names = {FOLLOWS: "follow_up", "bright": "alert", "good": "alert"}
    wanted = Counter(
        names.get(verdict.outcome, verdict.outcome)
        for verdict in (
            replay.decide(event, rule, is_suppressed=False, is_released=False)
            for event, rule in zip(drawn, rules, strict=True)
        )
    )
    past = [past_of(event) for event in drawn]
    trial = try_rules(RULES, past, [{}] * len(past), ORDER, is_complete=True)
    assert trial.n_by_outcome == dict(wanted)
    assert trial.n_events == len(drawn)
    n_sent = wanted["alert"] + wanted["follow_up"]
    assert len(trial.differences) == n_sent  # nothing was sent then


def test_a_difference_says_why() -> None:
    events = [source_event(0, snr=5.0), source_event(1, snr=20.0), source_event(2, snr=10.0)]
    past = [past_of(event, was_alerted=number < 1) for number, event in enumerate(events)]
    trial = try_rules(RULES, past, [{}] * 3, ORDER, is_complete=False)
    assert trial.n_alerts_by_rule == {"bright": 1, "good": 1}
    assert (trial.n_alerted, trial.is_complete) == (1, False)
    newest, bright, faint = trial.differences
    assert (newest.outcome, newest.rule, newest.why) == ("alert", "good", [])
    assert (bright.rule, bright.was_alerted) == ("bright", False)
    assert (faint.outcome, faint.was_alerted) == ("no_rule", True)
    assert faint.why == [
        "bright: not true: snr > 12.0  (snr = 5.0)",
        "good: not true: snr > 8.0  (snr = 5.0)",
    ]


def test_what_follows_an_alert_from_before_the_days_is_sent() -> None:
    update = replace(source_event(0, snr=1.0), kind="update")
    trial = try_rules(
        RULES, [past_of(update, was_alerted_before=True)], [{}], ORDER, is_complete=True
    )
    assert trial.n_by_outcome == {"follow_up": 1}
