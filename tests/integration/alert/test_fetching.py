"""What the Kafka client of the alert service asks for while events wait in it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.kafka import InMessage
from services.alert.app.service import GROUP
from services.alert.app.stream import EventQueue, build_app
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def stand_still(site: AlertSite, fetcher: Any) -> None:
    """Let events wait in the client, as while a batch is decided about: it has its own thread."""
    number = 1
    while not fetcher._records:  # the request that waits in it takes some
        site.publish([source_event(number)])
        number += 1
        time.sleep(0.1)
    wait_until(lambda: not fetcher._in_flight, what="an answer about all partitions")
    time.sleep(1.0)  # ten times what the client waits by itself
    assert not fetcher._in_flight


async def test_a_partition_with_a_burst_waits_for_no_request_about_the_others(
    site: AlertSite,
) -> None:
    handled: list[InMessage] = []
    events = EventQueue()

    async def handle(messages: list[InMessage]) -> None:
        handled.extend(messages)

    app = build_app(
        site.kafka, group=GROUP, data_dir=site.folder, events=events, n_partitions=3,
        heartbeat=lambda: None,
    )  # fmt: skip
    handling = asyncio.create_task(events.run(handle))
    site.publish([source_event(0)])
    await app.start()
    try:
        await asyncio.to_thread(wait_until, lambda: handled, what="the first event")
        fetcher = app.consumer._thread._consumer._fetcher
        stand_still(site, fetcher)
    finally:
        await app.stop()
        handling.cancel()
