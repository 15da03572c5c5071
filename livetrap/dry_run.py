"""What a file of rules would have done with the events of the past."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from livetrap.database import with_connection
from rules.explain import explain_refusal
from rules.quantities import facts_of
from rules.rulebook import RuleBook
from rules.sql import SqlCondition
from runtime.errors import SettingsError
from runtime.settings import Settings
from schemas.event_json import event_from_json

__all__ = ["Judged", "dry_run", "parse_duration", "render_report"]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# The stream evaluates the same rules with the same precedence: what follows an alert is sent,
# what nobody heard of is not taken back. A family is judged from its beginning on.
_STATEMENT = """
with judged as (
    select
        source_event.id,
        source_event.event_id,
        source_event.kind,
        source_event.time_detected,
        source_event.event,
        source_event.event ->> 'trig_id' as trig_id,
        case {cases} end as rule_number
    from source_event
    where source_event.event ->> 'trig_id' in (
        select recent.event ->> 'trig_id'
        from source_event as recent
        where recent.time_detected >= now() - $1::interval
    )
),

told as (
    select
        judged.*,
        min(judged.id) filter (
            where judged.rule_number is not null and judged.kind <> 'retraction'
        ) over (partition by judged.trig_id) as first_told
    from judged
)

select
    told.event_id,
    told.kind,
    told.time_detected,
    told.event::text as event,
    case
        when told.kind in ('update', 'retraction') and told.id > told.first_told then 'follows'
        when told.kind = 'retraction' then 'never_alerted'
        when told.rule_number is null then 'no_rule'
        else 'rule'
    end as outcome,
    told.rule_number
from told
where told.time_detected >= now() - $1::interval
order by told.id
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """An event and what the rules make of it.

    Parameters
    ----------
    outcome : str
        The rule's name, ``(follows an alert)``, or the reason code of a refusal.
    is_alerted : bool
        Whether it would have been sent.
    why : tuple of str
        For an event that no rule wants: what is not true, rule by rule.
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


def dry_run(settings: Settings, rules: RuleBook, since: timedelta) -> list[Judged]:
    """Return what the rules make of the events since then, oldest first.

    Raises
    ------
    TransientError
        If the database is away.
    FatalError
        If it refuses us or has no such schema.
    """
    condition = SqlCondition(n_before=1)
    cases = " ".join(
        f"when {condition.of(rule.when)} then {number}" for number, rule in enumerate(rules.rules)
    )
    statement = _STATEMENT.format(cases=cases)

    async def ask(connection: asyncpg.Connection) -> list[Judged]:
        rows = await connection.fetch(statement, since, *condition.parameters)
        return [_to_judged(row, rules) for row in rows]

    return with_connection(settings, ask)


def _to_judged(row: Any, rules: RuleBook) -> Judged:
    event = event_from_json(row["event"])
    outcome = {
        "rule": rules.rules[row["rule_number"] or 0].name,
        "follows": "(follows an alert)",
    }.get(row["outcome"], row["outcome"])
    why: tuple[str, ...] = ()
    if row["outcome"] == "no_rule" and not rules.matches:
        facts = facts_of(event)
        why = tuple(
            f"{rule.name}: {words}"
            for rule in rules.rules
            for words in explain_refusal(rule.when, facts)
        )
    return Judged(
        row["event_id"], event.stream, event.transient_kind or event.kind, event.snr, event.ra,
        event.dec, outcome, row["outcome"] in ("rule", "follows"), why,
    )  # fmt: skip


def render_report(judged: list[Judged], *, n_examples: int) -> str:
    """Return counts by outcome, each with examples."""
    if not judged:
        return "no events in that time"
    counts = Counter((each.is_alerted, each.outcome) for each in judged)
    n_alerted = sum(each.is_alerted for each in judged)
    lines = [f"{len(judged)} events, {n_alerted} of them alerts"]
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
