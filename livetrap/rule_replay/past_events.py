"""Events of the past, from the database, each with the rule that matches it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from livetrap.database.connection import with_connection
from rules.rule_set import Rule, RuleSet
from rules.sql import SqlCondition
from runtime.settings import PostgresSettings
from schemas.event_json import event_from_json
from schemas.messages import SourceEvent

__all__ = ["PastEvent", "fetch_past_events"]

# The limits count alerts of at most one minute of images, which arrive some minutes late.
_LEAD_TIME = timedelta(minutes=10)
# All events of each source that had one lately: what follows an alert depends on the first one.
# The conditions of rules name columns of source_event without it, so no other table may have them.
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
    source_event.time_detected >= now() - $1::interval as is_in_period,
    suppressed.event_id is not null as was_suppressed,
    suppressed.time_released,
    source_event.event_id = transient.event_id and exists (
        select 1 from image
        where
            image.image_key = transient.image_key
            and image.image_id = source_event.event ->> 'image_id'
    ) as is_of_image,
    case {cases} end as rule_number
from recent
inner join transient on recent.source_id = transient.source_id
inner join source_event on transient.id = source_event.transient_id
left join (
    select
        suppressed_event.event_id,
        suppressed_event.time_released
    from suppressed_event
) as suppressed on source_event.event_id = suppressed.event_id
order by source_event.id
"""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event, the first rule that matches it, and what the stream did with it.

    Parameters
    ----------
    event : SourceEvent
        As the associator detected it.
    rule : Rule or None
        The first that matches it.
    time_detected : datetime
        When the associator detected it.
    time_released : datetime or None
        When an operator released it, if it was suppressed.
    is_in_period : bool
        Whether it is part of the report; older events are there for what follows them.
    was_suppressed : bool
        Whether a storm suppressed it.
    is_of_image : bool
        Whether it begins an episode with an image that the catalogue has.
    """

    event: SourceEvent
    rule: Rule | None
    time_detected: datetime
    time_released: datetime | None
    is_in_period: bool
    was_suppressed: bool
    is_of_image: bool = False


def fetch_past_events(
    settings: PostgresSettings, rules: RuleSet, period: timedelta
) -> list[PastEvent]:
    """Return the events of a period up to now, and the earlier ones of the same sources.

    Parameters
    ----------
    settings : PostgresSettings
        Where the database is; errors as of `livetrap.database.connection.connect`.
    rules : RuleSet
        Rules to match.
    period : timedelta
        Length of the period.

    Returns
    -------
    list of PastEvent
        In order of detection.
    """
    condition = SqlCondition(n_before=2)
    cases = " ".join(
        f"when {condition.of(rule.when)} then {number}" for number, rule in enumerate(rules.rules)
    )
    statement = _STATEMENT.format(cases=cases)

    async def fetch(connection: asyncpg.Connection) -> list[PastEvent]:
        rows = await connection.fetch(statement, period, _LEAD_TIME, *condition.parameters)
        return [_to_past_event(row, rules) for row in rows]

    return with_connection(settings, fetch)


def _to_past_event(row: Any, rules: RuleSet) -> PastEvent:
    number = row["rule_number"]
    return PastEvent(
        event=event_from_json(row["event"]),
        rule=None if number is None else rules.rules[number],
        time_detected=row["time_detected"],
        time_released=row["time_released"],
        is_in_period=row["is_in_period"],
        was_suppressed=row["was_suppressed"],
        is_of_image=row["is_of_image"],
    )
