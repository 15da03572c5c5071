"""What a file of rules would have done with the events of the past."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any

import asyncpg

from livetrap.operator.database import with_connection
from livetrap.rule_replay.replay import RuleReplay, Verdict
from rules.explain import explain_refusal
from rules.quantities import facts_of
from rules.rulebook import Rule, RuleBook
from rules.sql import SqlCondition
from runtime.errors import SettingsError
from runtime.settings import Settings
from schemas.event_json import event_from_json
from schemas.messages import SourceEvent
from services.alert.steps.storm import STORM

__all__ = ["ReplayedEvent", "dry_run", "parse_duration", "render_report"]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# What is counted for a storm is at most a minute of images old; images take a while.
_RUN_UP = timedelta(minutes=10)
# All events of the sources that had one lately: a family is judged from its beginning on.
_STATEMENT = """
with recent as (
    select distinct transient.source_id
    from source_event
    inner join transient on source_event.transient_id = transient.id
    where source_event.time_detected >= now() - $1::interval - $2::interval
)

select
    source_event.event::text as event,
    source_event.time_detected,
    source_event.time_detected >= now() - $1::interval as is_asked,
    held.event_id is not null as was_suppressed,
    held.time_released,
    case {cases} end as rule_number
from recent
inner join transient on recent.source_id = transient.source_id
inner join source_event on transient.id = source_event.transient_id
left join (
    select
        suppressed_event.event_id,
        suppressed_event.time_released
    from suppressed_event
) as held on source_event.event_id = held.event_id
order by source_event.id
"""


@dataclass(frozen=True, slots=True)
class ReplayedEvent:
    """An event and what the rules make of it.

    Parameters
    ----------
    outcome : str
        The rule's name, ``(follows an alert)``, ``held``, or the reason code of a refusal.
    is_alerted : bool
        Whether it would have been sent.
    why : tuple of str
        For an event that no rule wants: what is not true, rule by rule; for one that is held:
        by which storm.
    """

    event_id: str
    stream: str
    kind: str
    snr: float
    ra: float
    dec: float
    outcome: str
    is_alerted: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Past:
    """An event of the past, the rule that fits it, and whether the stream held it."""

    event: SourceEvent
    rule: Rule | None
    time_detected: datetime
    time_released: datetime | None
    is_asked: bool
    was_suppressed: bool


def parse_duration(text: str) -> timedelta:
    """Return a duration such as ``24h``, ``90m`` or ``7d``.

    Raises
    ------
    SettingsError
        If it is none.
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None:
        raise SettingsError(f"--since {text}: expected a number and s, m, h, d or w, such as 24h")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])


def dry_run(settings: Settings, rules: RuleBook, since: timedelta) -> list[ReplayedEvent]:
    """Return what the stream would have made of the events since then, oldest first.

    The alerts that tell of storms are among them. What the stream held before that time stays
    held; from then on the limits of the settings decide.

    Raises
    ------
    TransientError
        If the database is away.
    FatalError
        If it refuses us or has no such schema.
    """
    condition = SqlCondition(n_before=2)
    cases = " ".join(
        f"when {condition.of(rule.when)} then {number}" for number, rule in enumerate(rules.rules)
    )
    statement = _STATEMENT.format(cases=cases)

    async def ask(connection: asyncpg.Connection) -> list[_Past]:
        rows = await connection.fetch(statement, since, _RUN_UP, *condition.parameters)
        return [_to_past(row, rules) for row in rows]

    return _judge(with_connection(settings, ask), rules, RuleReplay(settings.alert))


def _to_past(row: Any, rules: RuleBook) -> _Past:
    number = row["rule_number"]
    return _Past(
        event_from_json(row["event"]), None if number is None else rules.rules[number],
        row["time_detected"], row["time_released"], row["is_asked"], row["was_suppressed"],
    )  # fmt: skip


def _judge(past: list[_Past], rules: RuleBook, rule_replay: RuleReplay) -> list[ReplayedEvent]:
    """Return the verdicts on what was asked for; the one after a release is the last word."""
    judged: dict[str, ReplayedEvent] = {}
    is_alerted: dict[str, bool] = {}
    for each, is_released in _in_order(past):
        event = each.event
        if is_alerted.get(event.event_id):
            continue  # let out, but these rules had sent it
        is_suppressed = each.was_suppressed and not each.is_asked and not is_released
        verdict = rule_replay.judge(
            event, each.rule, is_suppressed=is_suppressed, is_released=is_released
        )
        is_alerted[event.event_id] = verdict.is_alerted
        if each.is_asked:
            judged[event.event_id] = _to_replayed(event, verdict, rules)
            if verdict.storm is not None:
                told = Verdict(STORM.rule or "", is_alerted=True)
                judged[verdict.storm.event_id] = _to_replayed(verdict.storm, told, rules)
    return list(judged.values())


def _in_order(past: list[_Past]) -> Iterator[tuple[_Past, bool]]:
    """Yield the events as they came, and again, with True, when an operator let them out."""
    waiting: list[tuple[datetime, str, _Past]] = []
    for each in past:
        while waiting and waiting[0][0] <= each.time_detected:
            yield heappop(waiting)[-1], True
        yield each, False
        if each.time_released is not None:
            heappush(waiting, (each.time_released, each.event.event_id, each))
    while waiting:
        yield heappop(waiting)[-1], True


def _to_replayed(event: SourceEvent, verdict: Verdict, rules: RuleBook) -> ReplayedEvent:
    why: tuple[str, ...] = (verdict.because,) if verdict.because else ()
    if verdict.outcome == "no_rule" and not rules.matches:
        facts = facts_of(event)
        why = tuple(
            f"{rule.name}: {words}"
            for rule in rules.rules
            for words in explain_refusal(rule.when, facts)
        )
    return ReplayedEvent(
        event.event_id, event.stream, event.transient_kind or event.kind, event.snr, event.ra,
        event.dec, verdict.outcome, verdict.is_alerted, why,
    )  # fmt: skip


def render_report(judged: list[ReplayedEvent], *, n_examples: int) -> str:
    """Return counts by outcome, each with examples."""
    if not judged:
        return "no events in that time"
    counts = Counter((each.is_alerted, each.outcome) for each in judged)
    events = [each for each in judged if each.kind != "storm"]
    lines = [f"{len(events)} events, {sum(each.is_alerted for each in events)} of them alerts"]
    for (is_alerted, outcome), n in sorted(
        counts.items(), key=lambda item: (-item[0][0], -item[1])
    ):
        lines.append(f"\n{'alert' if is_alerted else 'no alert'}  {outcome}: {n}")
        examples = [each for each in judged if each.outcome == outcome][-n_examples:]
        for each in examples:
            lines.append(
                f"  {each.stream}  {each.kind}  S/N {each.snr:.1f}  "
                f"{each.ra:.4f} {each.dec:+.4f}  {each.event_id}"
            )
            lines.extend(f"      {words}" for words in each.why)
    return "\n".join(lines)
