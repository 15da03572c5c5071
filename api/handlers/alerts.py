"""`/alerts`: what was sent, as JSON or as VOEvent, and as it is sent."""

import ipaddress
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.cursor import decode_cursor, encode_cursor
from api.handlers.parameters import (
    ConeParameter,
    Cursor,
    Kind,
    Limit,
    MinSnr,
    Reader,
    Since,
    State,
    Stream,
    Until,
    to_utc,
)
from api.live import AlertFilter, AlertStream
from api.models import AlertDeliveries, AlertItem, DeliveryItem, Page
from api.problems import ProblemError, not_found

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

_MOST_DELIVERIES = 10_000
_ANONYMOUS = "anonymous"
_JSON = "application/json"
_XML = ("application/xml", "text/xml", "application/x-voevent+xml")


@router.get("")
async def list_alerts(
    database: Reader,
    cone: ConeParameter,
    since: Since = None,
    until: Until = None,
    trig_id: Annotated[str | None, Query(description="One alert family")] = None,
    transient_id: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Alerts about one transient")
    ] = None,
    stream: Stream = None,
    kind: Kind = None,
    state: State = None,
    min_snr: MinSnr = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AlertItem]:
    """Return alerts, newest first."""
    (before,) = decode_cursor(cursor, int) or (None,)
    rows = await database.fetch(
        "list_alerts",
        to_utc(since), to_utc(until), trig_id,
        cone and cone.ra, cone and cone.dec, cone and cone.radius_deg,
        stream, kind, transient_id, min_snr, before, state, limit,
    )  # fmt: skip
    items = [AlertItem(**row) for row in rows]
    last = items[-1] if len(items) == limit else None
    return Page(items=items, next=last and encode_cursor(last.id))


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Alerts as they come"}},
)
async def stream_alerts(
    request: Request,
    cone: ConeParameter,
    since: Since = None,
    until: Until = None,
    stream: Stream = None,
    kind: Kind = None,
    state: State = None,
    min_snr: MinSnr = None,
    resume: Annotated[
        str | None, Query(alias="last_event_id", description="As the header Last-Event-ID")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last event that arrived")
    ] = None,
) -> StreamingResponse:
    """Send every alert from now on, or behind `Last-Event-ID`, as server-sent events."""
    last = last_event_id or resume
    if last is not None and not re.fullmatch(r"\d{1,18}", last):
        raise ProblemError(
            400, "Last-Event-ID: not an id that this stream gave; leave it out to start now"
        )
    after = None if last is None else int(last)
    wanted = AlertFilter(
        to_utc(since), to_utc(until), stream, kind, state=state, min_snr=min_snr, cone=cone
    )
    live: AlertStream = request.app.state.alert_stream
    events = await live.subscribe(after, wanted)
    return StreamingResponse(
        events,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/{alert:path}/deliveries")  # before the path that takes everything
async def list_deliveries(database: Reader, alert: str) -> AlertDeliveries:
    """Return who was handed an alert and who has acknowledged it, at most 10 000.

    The alert is named as in `/alerts/{alert}`.
    """
    rows = await database.fetch("list_deliveries", *_to_key(alert), _MOST_DELIVERIES)
    if not rows:
        raise not_found("alert", alert)
    items = [
        DeliveryItem(
            channel=row["channel"],
            subscriber=_to_public(row["channel"], row["subscriber"]),
            time_handed=row["time_handed"],
            time_acknowledged=row["time_acknowledged"],
        )
        for row in rows
        if row["channel"] is not None
    ]
    return AlertDeliveries(ivorn=rows[0]["ivorn"], items=items)


def _to_public(channel: str, subscriber: str) -> str:
    """Return a name that anybody may read: where a VTP subscriber sits is not ours to tell."""
    if channel != "vtp":
        return subscriber
    name = subscriber.rpartition("@")[0]
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name or _ANONYMOUS
    return _ANONYMOUS


@router.get(
    "/{alert:path}",
    responses={
        200: {
            "content": {_JSON: {}, _XML[0]: {}},
            "description": "GCN-style JSON, or VOEvent 2.0 as it was sent",
        }
    },
)
async def get_alert(
    database: Reader,
    alert: str,
    accept: Annotated[str, Header()] = _JSON,
    format: Annotated[  # noqa: A002
        Literal["json", "xml"] | None, Query(description="For a browser: instead of Accept")
    ] = None,
) -> Response:
    """Return one alert by its number, its ivorn (`#` as `%23`) or its family's trig_id.

    A family stands for its latest alert. The header `Accept` says whether JSON or VOEvent.
    """
    rows = await database.fetch("get_alert", *_to_key(alert))
    if not rows:
        raise not_found("alert", alert)
    kind = format or _negotiate(accept)
    content = rows[0]["notice"].encode() if kind == "json" else rows[0]["voevent"]
    media_type = _JSON if kind == "json" else _XML[0]
    return Response(content, media_type=media_type, headers={"Vary": "Accept"})


def _to_key(alert: str) -> tuple[int | None, str | None]:
    """Return the number of an alert, or its name."""
    return (int(alert), None) if re.fullmatch(r"\d{1,18}", alert) else (None, alert)


def _negotiate(accept: str) -> Literal["json", "xml"]:
    """Return what the client likes best; JSON where it does not care."""
    for name in _by_liking(accept):
        if name in {_JSON, "application/*", "*/*", ""}:
            return "json"
        if name in {*_XML, "text/*"}:
            return "xml"
    raise ProblemError(406, f"an alert is {_JSON} or {_XML[0]}, and Accept says {accept}")


def _by_liking(accept: str) -> list[str]:
    """Return the media types of an Accept header, the best first; those of weight 0 left out."""
    wishes: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        wishes.append((float(weight) if re.fullmatch(r"[01](\.\d+)?", weight) else 1.0, name))
    return [name for weight, name in sorted(wishes, key=lambda wish: -wish[0]) if weight > 0]
