"""`/subscriptions`: alerts with a filter and a channel of one's own; `/alerts/replay`."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.errors import ProblemError, not_found
from api.handlers.authorization import (
    Writer,
    WriterParameter,
    owner_of,
    token_first_route,
)
from api.models.subscriptions import (
    DryRun,
    DryRunOrder,
    NewReplay,
    NewSubscription,
    Replay,
    Subscription,
    SubscriptionChange,
    WantedAlerts,
)
from api.steps.subscriptions import MAX_ALERTS, compare, find_warnings, to_subscription
from rules.doubts import why_never_true
from rules.wanted import Wanted, WantedError, parse_wanted
from runtime.rule_names import list_rule_names

__all__ = ["replays", "router"]

router = APIRouter(
    prefix="/api/v1/subscriptions",
    tags=["subscriptions"],
    route_class=token_first_route("annotate", reading=True),
)
replays = APIRouter(
    prefix="/api/v1/alerts/replay",
    tags=["subscriptions"],
    route_class=token_first_route("annotate", reading=True),
)
_MAX_REPLAYS = 100
_MAX_MATCHES = 5
_Name = Annotated[str, Path(description="Name of the subscription", examples=["bright-north"])]


@router.get("", summary="Your subscriptions, by name")
async def list_subscriptions(writer: WriterParameter) -> list[Subscription]:
    """Return the subscriptions of your token; all of them for the token of the settings."""
    rows = await writer.context.database.fetch("list_subscriptions", owner=owner_of(writer))
    return await asyncio.to_thread(lambda: [to_subscription(row) for row in rows])


@router.post("", status_code=201, summary="Subscribe")
async def add_subscription(
    request: Request, writer: WriterParameter, new: NewSubscription, response: Response
) -> Subscription:
    """Deliver what is wanted from now on; who gets an alert gets its updates and retraction."""
    await _parse(writer, new)
    secret = new.secret and new.secret.get_secret_value()
    cone = new.cone
    most = writer.context.settings.max_subscriptions
    rows = await writer.write_in_turn(
        f"subscriptions of {writer.name}",
        "insert_subscription",
        name=new.name, owner=writer.name, rule=new.rule, moc=new.moc, schedule=new.schedule,
        ra=cone and cone.ra % 360.0 % 360.0, dec=cone and cone.dec,
        radius_deg=cone and cone.radius_deg, channel=new.channel, target=new.target,
        secret=secret, stamps=new.stamps, max_subscriptions=most,
    )  # fmt: skip
    if not rows:
        taken = await writer.context.database.fetch("list_subscriptions", name=new.name)
        raise ProblemError(
            409,
            f"the name {new.name} is taken; choose another one"
            if taken
            else f"{writer.name} has {most} subscriptions already; delete one{_hint(new)}",
        )
    response.headers["Location"] = f"{request.url.path}/{new.name}"
    return await _get(writer, new.name)


@router.post("/dry-run", summary="What a subscription would have got")
async def try_subscription(writer: WriterParameter, order: DryRunOrder) -> DryRun:
    """Compare the alerts of some days, at most the newest 5000; nothing is stored or sent."""
    wanted = await _parse(writer, order)
    database = writer.context.database
    rows = await database.fetch("list_past_alert_events", days=order.days, limit=MAX_ALERTS + 1)
    found = await compare(wanted, rows, database, days=order.days)
    warnings = await asyncio.to_thread(find_warnings, order.rule)
    return found.model_copy(update={"warnings": list(warnings)})


@router.get("/{name}", summary="One subscription")
async def get_subscription(writer: WriterParameter, name: _Name) -> Subscription:
    """Return a subscription and how its delivery goes."""
    return await _get(writer, name)


@router.patch("/{name}", summary="Change a subscription")
async def change_subscription(
    writer: WriterParameter, name: _Name, change: SubscriptionChange
) -> Subscription:
    """Send stamps with the notices to a webhook from now on, or no more."""
    before = await _get(writer, name)
    if change.stamps and before.channel != "webhook":
        raise ProblemError(
            409, f"stamps: channel {before.channel} cannot carry them in its notices"
        )
    await writer.write(
        "set_subscription_stamps", name=name, owner=owner_of(writer), stamps=change.stamps
    )
    return await _get(writer, name)


@router.delete("/{name}", status_code=204, summary="Unsubscribe")
async def delete_subscription(writer: WriterParameter, name: _Name) -> Response:
    """Deliver no more; a topic of its own is kept for `DISTRIBUTE__TOPIC_HOURS`, then deleted."""
    if not await writer.write("delete_subscription", name=name, owner=owner_of(writer)):
        raise not_found("subscription", name)
    return Response(status_code=204)


@router.get("/{name}/replays", summary="Replays to a subscription, newest first")
async def list_replays(writer: WriterParameter, name: _Name) -> list[Replay]:
    """Return the replays that were asked for, and how far they are."""
    await _get(writer, name)
    rows = await writer.context.database.fetch("list_replays", name=name, limit=_MAX_REPLAYS)
    return [Replay(**row) for row in rows]


@replays.post("", status_code=202, summary="Send a past night to one subscription again")
async def add_replay(writer: WriterParameter, new: NewReplay) -> Replay:
    """Send what it wants of the alerts of that time, as tests, in their rhythm, to it alone.

    Each alert has role `test`, and an ivorn that ends in `.replay<id>`.
    """
    subscription = await _get(writer, new.subscription)
    if subscription.channel == "sse":
        raise ProblemError(
            409, "server-sent events tell what is stored; a replay needs another channel"
        )
    since, until = _to_utc(new.since), _to_utc(new.until)
    if since >= until:
        raise ProblemError(400, "until: must be later than since")
    rows = await writer.write_in_turn(
        f"replays to {new.subscription}",
        "insert_replay",
        name=new.subscription, owner=owner_of(writer), time_since=since, time_until=until,
        speed=new.speed,
    )  # fmt: skip
    if not rows:
        raise ProblemError(409, f"a replay to {new.subscription} goes on; wait until it ends")
    (row, *_) = await writer.context.database.fetch("list_replays", name=new.subscription, limit=1)
    return Replay(**row)


def _hint(new: NewSubscription) -> str:
    is_topic = new.channel == "kafka"
    return "; topics of deleted ones count until they are gone" if is_topic else ""


async def _get(writer: Writer, name: _Name) -> Subscription:
    rows = await writer.context.database.fetch(
        "list_subscriptions", owner=owner_of(writer), name=name
    )
    if not rows:
        raise not_found("subscription", name)
    return await asyncio.to_thread(to_subscription, rows[0])


async def _parse(writer: Writer, given: WantedAlerts) -> Wanted:
    """Return what is wanted.

    Raises
    ------
    ProblemError
        400 if a part is not valid, can never be true, or names a catalogue, stream or telescope
        that does not exist.
    """
    circle = given.cone
    cone = None if circle is None else (circle.ra, circle.dec, circle.radius_deg)
    try:
        # A large coverage map takes a tenth of a second.
        wanted = await asyncio.to_thread(
            parse_wanted, given.rule, cone=cone, moc=given.moc, schedule=given.schedule
        )
    except WantedError as error:
        raise ProblemError(400, str(error)) from error
    if wanted.when and (reason := await asyncio.to_thread(why_never_true, wanted.when)):
        raise ProblemError(400, f"rule: no alert can make it true: {reason}")
    if len(wanted.matches) > _MAX_MATCHES:
        raise ProblemError(400, f"rule: more than {_MAX_MATCHES} different matches(...)")
    async with writer.context.database.lend() as connection:
        catalogues, streams, telescopes = await list_rule_names(connection)
    for kind, named, known in (
        ("reference catalogue", {each.catalogue for each in wanted.matches}, catalogues),
        ("stream", wanted.streams, streams),
        ("telescope", wanted.telescopes, telescopes),
    ):
        if kind == "telescope" and not known:
            continue  # before the first image any may come
        if unknown := sorted(set(named) - known):
            there = ", ".join(sorted(known)[:20]) or "none"
            raise ProblemError(400, f"rule: no {kind} {unknown[0]!r}; there is {there}")
    return wanted


def _to_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
