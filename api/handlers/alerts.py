"""`/alerts`: alerts that were sent, as JSON or VOEvent, and the stream of new ones."""

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.errors import ProblemError, not_found
from api.handlers.authorization import BearerParameter, authorize, owner_of
from api.handlers.caching import NOT_MODIFIED, answer_immutable
from api.handlers.context import ApiContext, ClientAddress, Context, refuse_unknown_stream
from api.handlers.exports import TABLE_RESPONSES, ExportParameter
from api.handlers.paging import decode_id, to_page
from api.handlers.parameters import Cursor, Filter, Limit, to_key
from api.models.alerts import AlertDeliveries, AlertItem
from api.models.base import Page
from api.models.columns import ALERTS
from api.steps.alert_stream import to_reset
from api.steps.content_negotiation import JSON_TYPE, XML_TYPE, choose_alert_format
from api.steps.deliveries import to_public_deliveries
from api.steps.subscriptions import follow

__all__ = ["may_follow", "router"]

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

_MAX_DELIVERIES = 10_000
_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_Alert = Annotated[
    str,
    Path(
        description="Number, ivorn with `#` as `%23`, or trig_id",
        examples=["7", "ivo://org.example/lofar-ncp%23wbybnuklty2otzmt.0", "wbybnuklty2otzmt"],
    ),
]


class _AlertStreamResponse(StreamingResponse):
    """A stream that gives back its place when it ends, however it ends."""

    def __init__(self, events: AsyncIterator[bytes], place: ExitStack) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_STREAM_HEADERS)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


@router.get(
    "",
    summary="Alerts, newest first",
    response_model=Page[AlertItem],
    responses=TABLE_RESPONSES,
)
async def list_alerts(
    context: Context,
    export: ExportParameter,
    wanted: Filter,
    trig_id: Annotated[str | None, Query(description="One alert family")] = None,
    transient_id: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Alerts about one transient")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AlertItem] | Response:
    """Return the alerts that pass the filters; `since` and `until` are times of the alerts."""
    conditions = wanted.to_parameters() | {
        "trig_id": trig_id, "transient_id": transient_id, "limit": limit,
    }  # fmt: skip
    if export is not None:
        return await export.answer("list_alerts", ALERTS, name="alerts", parameters=conditions)
    rows = await context.database.fetch("list_alerts", **conditions, before_id=decode_id(cursor))
    await refuse_unknown_stream(context, rows, wanted.stream)
    return to_page([AlertItem(**row) for row in rows], rows, limit, "id")


@router.get(
    "/stream",
    summary="New alerts as server-sent events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "One event an alert"}},
    openapi_extra={"security": [{}]},  # the token is for a subscription alone
)
async def stream_alerts(
    context: Context,
    client: ClientAddress,
    wanted: Filter,
    bearer: BearerParameter,
    subscription: Annotated[
        str | None,
        Query(description="Name of a subscription of your token: what it gets, and nothing else"),
    ] = None,
    resume: Annotated[
        str | None, Query(alias="last_event_id", description="Same as the header Last-Event-ID")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="`id` of the last event received")
    ] = None,
) -> StreamingResponse:
    """Send every alert from now on, or every alert after `Last-Event-ID`.

    A `heartbeat` every 5 s has the time of the server, the last alert and the age of the last
    image. A `Last-Event-ID` beyond the newest alert is answered with an event `reset`.
    """
    last_id = last_event_id or resume
    if last_id is not None and not re.fullmatch(r"[0-9]{1,18}", last_id):
        raise ProblemError(
            400, "Last-Event-ID: not an id of this stream; leave it out to start now"
        )
    after_id = None if last_id is None else int(last_id)
    with ExitStack() as stack:
        stack.enter_context(context.streams.admit(client))
        if subscription is None:
            events = await context.alert_stream.subscribe(wanted, after_id=after_id, host=client)
        else:
            events = await _follow_subscription(context, bearer, subscription, after_id)
        return _AlertStreamResponse(events, stack.pop_all())


async def _follow_subscription(
    context: ApiContext, bearer: BearerParameter, name: str, after_id: int | None
) -> AsyncIterator[bytes]:
    if not await _is_of(context, bearer, name):
        raise not_found("subscription", name)
    newest_id = (await context.database.fetch("get_last_alert_id"))[0]["id"]
    is_beyond = after_id is not None and after_id > newest_id
    reset = to_reset(after_id, newest_id) if after_id is not None and is_beyond else b""
    stream = context.alert_stream
    return follow(
        context.database,
        name,
        newest_id if after_id is None or is_beyond else after_id,
        reset=reset,
        is_stopped=lambda: stream.is_stopped,
        is_open=partial(may_follow, context, bearer, name),
    )


async def may_follow(context: ApiContext, bearer: BearerParameter, name: str) -> bool:
    """Return whether a token is valid and a subscription one of its own."""
    try:
        return await _is_of(context, bearer, name)
    except ProblemError:
        return False


async def _is_of(context: ApiContext, bearer: BearerParameter, name: str) -> bool:
    writer = await authorize(context, bearer, "annotate")
    found = await context.database.fetch("list_subscriptions", owner=owner_of(writer), name=name)
    return bool(found)


# Before the route whose path parameter takes slashes too.
@router.get("/{alert:path}/deliveries", summary="Deliveries of an alert to its subscribers")
async def list_deliveries(context: Context, alert: _Alert) -> AlertDeliveries:
    """Return who was sent an alert and who acknowledged it, at most 10 000.

    A trig_id stands for the latest alert of the family.
    """
    number, name = to_key(alert)
    rows = await context.database.fetch(
        "list_deliveries", id=number, name=name, limit=_MAX_DELIVERIES
    )
    if not rows:
        raise not_found("alert", alert)
    return to_public_deliveries(rows)


@router.get(
    "/{alert:path}",
    summary="One alert as JSON or VOEvent",
    responses={
        200: {
            "content": {JSON_TYPE: {}, XML_TYPE: {}},
            "description": "GCN-style JSON, or VOEvent 2.0 as it was sent",
        },
        **NOT_MODIFIED,
    },
)
async def get_alert(
    request: Request,
    context: Context,
    alert: _Alert,
    accept: Annotated[str, Header(description="application/json or application/xml")] = JSON_TYPE,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Literal["json", "xml"] | None, Query(description="Overrides the header Accept")
    ] = None,
) -> Response:
    """Return one alert; a trig_id stands for the latest alert of the family."""
    number, name = to_key(alert)
    rows = await context.database.fetch("get_alert", id=number, name=name)
    if not rows:
        raise not_found("alert", alert)
    is_json = (format or choose_alert_format(accept)) == "json"
    body = rows[0]["notice"].encode() if is_json else rows[0]["voevent"]
    media_type = JSON_TYPE if is_json else XML_TYPE
    if rows[0]["trig_id"] == name:  # the family may get another alert
        return Response(body, media_type=media_type, headers={"Vary": "Accept"})
    return answer_immutable(request, body, media_type, vary="Accept")
