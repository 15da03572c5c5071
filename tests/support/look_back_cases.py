"""A stream with a steady source and a place to look back at, and the answers about it."""

from collections.abc import Sequence
from typing import Any

from schemas.messages import ForcedRequest, ImageDetections, SourceEvent
from tests.support.api_service import client_of
from tests.support.association import Associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

__all__ = [
    "BRIGHT_JY",
    "ERR_JY",
    "FAINT_JY",
    "LOOKBACK",
    "NO_WAIT",
    "PLACE",
    "STEADY",
    "announce_overdue",
    "answer",
    "detect",
    "facts",
    "forced_sums",
    "look_back_row",
    "points_of",
    "shot",
    "take_look_backs",
]

PLACE = (123.0, 10.0)
STEADY = (124.0, 10.5)
ERR_JY = 1e-3
# The threshold is 10 mJy, and an earlier image would certainly have detected 13.
FAINT_JY, BRIGHT_JY = 0.0105, 0.02
LOOKBACK = {"lookback_images": 4, "lookback_wait_ms": 3_600_000.0}
NO_WAIT = LOOKBACK | {"lookback_wait_ms": 0.0}


def shot(step: float, flux_jy: float | None = None, **changes: Any) -> ImageDetections:
    """Return an image of a steady source, and of one at the place if it has a flux."""
    seen = [STEADY] if flux_jy is None else [STEADY, PLACE]
    fluxes = [0.03, flux_jy or 0.0][: len(seen)]
    return image(step, sources(seen, flux_jy=fluxes, flux_err_jy=ERR_JY), **changes)


async def detect(case: Associator, flux_jy: float, *, n_before: int = 4) -> list[ForcedRequest]:
    """Feed images without the source, then its first detection; return the looks back.

    The first image is the deepest, as no later one is deeper.
    """
    for step in range(n_before):
        await case.feed(shot(step))
    case.requests.clear()
    await case.feed(shot(n_before, flux_jy))
    return take_look_backs(case)


def take_look_backs(case: Associator) -> list[ForcedRequest]:
    found = [each for each in case.requests if set(each.positions.extraction_type) == {"lookback"}]
    case.requests.clear()
    return found


async def answer(
    case: Associator, requests: Sequence[ForcedRequest], fluxes_jy: Sequence[float]
) -> None:
    for request, flux_jy in zip(requests, fluxes_jy, strict=True):
        await store(case, measure(request, flux_jy))
    await case.settle()


async def announce_overdue(case: Associator) -> None:
    """Tell what waits no longer: with a wait of 0, all that was detected."""
    if await case.handler.look_backs.announce_overdue():
        case.handler.outbox.expect()
    await case.settle()


async def look_back_row(case: Associator) -> dict[str, Any]:
    (row,) = await case.rows(
        "select look_back.* from look_back join stream on stream.id = stream_id where name = $1",
        case.stream,
    )
    return row


async def points_of(case: Associator, url: str) -> list[dict[str, Any]]:
    """Return the light curve at the place, as the API has it."""
    (source,) = [each for each in await case.sources() if abs(each["ra"] - PLACE[0]) < 0.1]
    async with client_of(url) as client:
        path = f"/api/v1/sources/{source['id']}/lightcurve"
        points: list[dict[str, Any]] = (await client.get(path)).json()["points"]
    return points


def facts(event: SourceEvent) -> tuple[Any, ...]:
    """Return what an event says, but for when it was decided and for keys of the database."""
    return (
        event.event_id, event.trig_id, event.kind, event.certainty, event.look_back,
        event.n_look_back, event.flux_previous_jy_beam, event.flux_previous_err_jy_beam,
        event.time_previous, event.n_datapoints, event.n_forced, event.eta, event.v,
        event.trigger_sigma,
    )  # fmt: skip


async def forced_sums(case: Associator) -> list[tuple[Any, ...]]:
    """Return the statistics of the forced points at the place."""
    rows = await case.rows(
        "select source_band.n_forced, flux_forced_mean_jy_beam, flux_forced_m2, "
        "flux_forced_weight, flux_forced_wmean_jy_beam, flux_forced_wm2, source.eta, source.v "
        "from source_band join source on source.id = source_id "
        "join stream on stream.id = stream_id where name = $1 and abs(source.ra - $2) < 0.1",
        case.stream,
        PLACE[0],
    )
    return [tuple(row.values()) for row in rows]
