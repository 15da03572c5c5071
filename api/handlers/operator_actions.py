"""`/transients/{id}/retraction`, `/dead-letters`: what an operator takes back or tries again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import orjson
from fastapi import APIRouter, Path, Query

from api.errors import ProblemError, not_found
from api.handlers.authorization import WriterParameter, token_first_route
from api.handlers.parameters import Key
from api.models.base import Page
from api.models.operator_actions import (
    DeadLetterItem,
    NewRetraction,
    Redriven,
    RetractionItem,
)
from runtime.dead_letter_topic import describe, find_one, read_newest, redrive
from runtime.errors import PipelineError, TransientError
from schemas.codec import encode_source_event
from schemas.event_json import event_from_json, event_to_json
from schemas.retraction import retraction_of
from schemas.topics import Topics

__all__ = ["router"]

Answer = TypeVar("Answer")
router = APIRouter(
    prefix="/api/v1",
    tags=["operator"],
    route_class=token_first_route("operate", reading=True),
)
_Position = Annotated[
    str,
    Path(
        pattern=r"^\d{1,6}:\d{1,18}$",
        description="Partition and offset, as the list has them",
        examples=["3:42"],
    ),
]
_Newest = Annotated[int, Query(ge=1, le=500, description="Number of the newest")]


@router.post(
    "/transients/{transient_id}/retraction", status_code=201, summary="Take a transient back"
)
async def retract_transient(
    writer: WriterParameter, transient_id: Key, wanted: NewRetraction
) -> RetractionItem:
    """Retract a transient: everybody who got an alert about it gets a retraction."""
    topics = Topics(writer.context.kafka.topic_prefix)
    async with writer.context.database.writing(writer.name) as fetch:
        rows = await fetch("lock_transient", {"id": transient_id})
        if not rows:
            raise not_found("transient", transient_id)
        if rows[0]["state"] != "active":
            raise ProblemError(409, f"transient {transient_id} is retracted already")
        reason = " ".join(wanted.reason.split())
        event = retraction_of(event_from_json(rows[0]["event"]), reason, datetime.now(UTC))
        values = {
            "transient_id": transient_id,
            "retraction_reason": reason,
            "event_id": event.event_id,
            "event": event_to_json(event),
            "topic": topics.transients,
            "key": event.stream,
            "value": encode_source_event(event),
        }
        await fetch("retract_transient", values)
        await fetch(
            "insert_audit",
            {
                "actor": writer.name,
                "action": "retract",
                "object": "transient",
                "object_id": str(transient_id),
                "row_before": '{"state": "active"}',
                "row_after": orjson.dumps({"state": "retracted", "reason": reason}).decode(),
            },
        )
    return RetractionItem(transient_id=transient_id, trig_id=event.trig_id, reason=reason)


@router.get("/dead-letters", summary="Messages that could not be processed")
async def list_dead_letters(writer: WriterParameter, limit: _Newest = 50) -> Page[DeadLetterItem]:
    """Return the newest dead letters, newest first; it has one page."""
    found = await _ask(lambda: read_newest(writer.context.kafka, limit=limit))
    items = [DeadLetterItem.model_validate(describe(letter)) for letter in reversed(found)]
    return Page(items=items, next=None)


@router.post(
    "/dead-letters/{position}/redrive", status_code=201, summary="Send a dead letter again"
)
async def redrive_dead_letter(writer: WriterParameter, position: _Position) -> Redriven:
    """Send a dead letter back to the topic it came from, once the cause is removed."""
    kafka = writer.context.kafka
    letter = await _ask(lambda: find_one(kafka, position))
    if letter is None:
        raise not_found("dead letter", position)
    facts = describe(letter)
    async with writer.context.database.writing(writer.name) as fetch:
        # Nothing is noted if it cannot be sent, or Kafka does not take it.
        await fetch(
            "insert_audit",
            {
                "actor": writer.name,
                "action": "redrive",
                "object": "dead_letter",
                "object_id": position,
                "row_after": orjson.dumps(facts).decode(),
            },
        )
        done = await _ask(lambda: redrive(kafka, [letter]))
        if done.refused:
            raise ProblemError(409, f"dead letter {done.refused[0]}")
    return Redriven(position=position, source=str(facts["source"]))


async def _ask(question: Callable[[], Answer]) -> Answer:
    """Ask Kafka in a thread; say what is wrong with it, or with what was asked."""
    try:
        return await asyncio.to_thread(question)
    except TransientError as error:
        raise ProblemError(503, str(error)) from error
    except PipelineError as error:
        raise ProblemError(409, str(error)) from error
