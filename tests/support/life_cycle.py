"""Alerts of a source from its first image on: images in, events and rows out."""

import asyncio
from typing import Any

from livetrap.cli import run
from rules.rule_set import RuleSet, load_rules
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.messages import ImageDetections, SourceEvent
from services.alert.handlers.transients import TransientHandler
from services.alert.storage import AlertStore
from tests.support.alert_sender import MemorySender
from tests.support.association import Associator
from tests.support.records import image, sources

__all__ = ["NEW", "STEADY", "alert", "livetrap", "relay", "see", "shot"]

STEADY, NEW = (123.0, 10.0), (123.5, 10.2)


async def livetrap(*arguments: str) -> int:
    """Run a command beside this event loop, as a process would."""
    return await asyncio.to_thread(run, list(arguments))


def shot(step: float, flux_jy: float | None, **changes: Any) -> ImageDetections:
    """Return an image of a steady source and, with a flux, of another one."""
    if flux_jy is None:
        return image(step, [STEADY], **changes)
    return image(step, sources([STEADY, NEW], flux_jy=[0.015, flux_jy]), **changes)


async def see(site: Associator, *fluxes: float | None) -> list[SourceEvent]:
    """Feed one timestep a flux; return the events."""
    for step, flux in enumerate(fluxes):
        await site.feed(shot(step, flux))
    return site.events


async def relay(site: Associator) -> None:
    """Wait until the associator has polled the outbox for the messages of commands."""
    n_before = len(site.events)
    async with asyncio.timeout(60):
        while len(site.events) == n_before:
            await asyncio.sleep(0.1)
            await site.settle()


async def alert(
    site: Associator,
    heard: list[bytes] | None = None,
    *,
    rules: RuleSet | None = None,
    **settings: int,
) -> list[dict[str, Any]]:
    """Give all events to an alert service; return the rows of its alerts, oldest first."""
    handler = TransientHandler(
        AlertSettings(authority="org.test", **settings),
        rules=lambda: rules or load_rules(None),
        store=AlertStore(site.pool), sender=MemorySender(heard),
    )  # type: ignore[arg-type]  # fmt: skip
    for event in site.events:
        await handler.on_events([encode_source_event(event)])
    return await site.rows("select * from alert where stream = $1 order by id", site.stream)
