"""A replay decides as the alert service, without its tables."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from livetrap.rule_replay.replay import FOLLOWS, RuleReplay, Verdict
from rules.rule_set import load_rules
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from tests.support.vtp_events import START, source_event

RULE = load_rules(None).rules[1]
SETTINGS = AlertSettings(max_per_image=2, max_per_minute=3)


def judge(rule_replay: RuleReplay, event: SourceEvent, *, is_released: bool = False) -> Verdict:
    return rule_replay.decide(event, RULE, is_suppressed=False, is_released=is_released)


def test_an_image_with_too_many_events_is_one_storm_and_follow_ups_are_sent() -> None:
    rule_replay = RuleReplay(SETTINGS)
    verdicts = [judge(rule_replay, source_event(number, image_id="one")) for number in range(4)]
    assert [each.outcome for each in verdicts] == [
        RULE.name,
        RULE.name,
        "suppressed",
        "suppressed",
    ]
    assert [each.storm is not None for each in verdicts] == [False, False, True, False]
    assert verdicts[3].reason == "image one brought more than 2 candidates"
    update = replace(source_event(0, image_id="one"), kind="update", event_id="u")
    assert judge(rule_replay, update).outcome == FOLLOWS
    # The third was not sent: what follows it would be the first alert.
    assert (
        judge(rule_replay, replace(update, trig_id=source_event(2).trig_id)).outcome
        == "suppressed"
    )
    assert judge(rule_replay, source_event(2, image_id="one"), is_released=True).is_alerted


def test_the_minute_is_of_the_images_and_of_the_stream() -> None:
    rule_replay = RuleReplay(SETTINGS)

    def at(number: int, second: float, stream: str = "night") -> str:
        start = START + timedelta(seconds=second)
        return judge(rule_replay, source_event(number, time_start=start, stream=stream)).outcome

    assert [at(n, second) for n, second in enumerate((0, 20, 40))] == [RULE.name] * 3
    assert at(3, 59.9) == "suppressed"
    assert at(4, 59.9, "another") == RULE.name
    assert at(5, -1.0) == RULE.name  # late, and its minute was quiet
    assert at(6, 60.0) == RULE.name  # the first is a minute old


def test_odd_events_end_as_in_the_stream() -> None:
    rule_replay = RuleReplay(SETTINGS)
    assert judge(rule_replay, source_event(ra=math.nan)).outcome == "bad_position"
    first = datetime.min.replace(tzinfo=UTC)
    assert judge(rule_replay, source_event(1, time_start=first)).is_alerted
    retraction = source_event(2, kind="retraction")
    assert judge(rule_replay, retraction).outcome == "never_alerted"
