"""`/rules`: the rules that sent alerts, and what others would have sent."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from api.errors import ProblemError
from api.handlers.authorization import WriterParameter, token_first_route
from api.handlers.context import ClientAddress, Context
from api.models.base import Page
from api.models.rules import RuleItem, RuleTrial, RuleTrialOrder
from api.steps.rule_trial import MAX_EVENTS, PastEvent, try_rules
from api.storage.database import Database
from rules.doubts import check_rules, find_doubts
from rules.rule_set import RuleSet, parse_rules
from runtime.errors import SettingsError
from runtime.references import match_references
from runtime.rule_names import list_rule_names

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/rules", tags=["rules"], route_class=token_first_route("annotate")
)
_MAX_MATCHES = 5


@router.get("", summary="Rules that sent alerts")
async def list_rules(
    context: Context,
    client: ClientAddress,
    days: Annotated[
        float, Query(gt=0, le=36_500, allow_inf_nan=False, description="Up to now [d]")
    ] = 7.0,
) -> Page[RuleItem]:
    """Return the rules that sent alerts in some days; it has one page."""
    rows = await context.database.fetch_expensive("list_rules", client=client, days=days)
    return Page(items=[RuleItem(**row) for row in rows], next=None)


@router.post("/dry-run", summary="What rules would have sent")
async def try_rule_set(
    writer: WriterParameter, client: ClientAddress, order: RuleTrialOrder
) -> RuleTrial:
    """Try rules on the events of some days, at most the newest 5000; nothing is stored or sent."""
    database = writer.context.database
    rules = await _parse(database, order.rules)
    warnings = await asyncio.to_thread(find_doubts, rules)
    rows = await database.fetch_expensive(
        "list_past_events", client=client, days=order.days, limit=MAX_EVENTS + 1
    )
    past = [PastEvent.of(row) for row in rows[:MAX_EVENTS]][::-1]
    places = [(each.event.ra, each.event.dec) for each in past]
    matches = await match_references(database.lend, places, rules.matches)
    is_complete = len(rows) <= MAX_EVENTS
    trial = await asyncio.to_thread(
        try_rules, rules, past, matches, order, is_complete=is_complete
    )
    return trial.model_copy(update={"warnings": warnings})


async def _parse(database: Database, text: str) -> RuleSet:
    """Return rules.

    Raises
    ------
    ProblemError
        400 if one is not valid, can never be true, or names a catalogue, stream or telescope that
        does not exist.
    """
    try:
        rules = await asyncio.to_thread(parse_rules, text, "rules")
        await asyncio.to_thread(check_rules, rules)
        async with database.lend() as connection:
            catalogues, streams, telescopes = await list_rule_names(connection)
        rules.check_names(catalogues=catalogues, streams=streams, telescopes=telescopes)
    except SettingsError as error:
        raise ProblemError(400, str(error)) from error
    if len(rules.matches) > _MAX_MATCHES:
        raise ProblemError(400, f"rules: more than {_MAX_MATCHES} different matches(...)")
    return rules
