"""A process that its consumer group gives nothing to read, and that comes back under its name."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.cluster import ClusterMetadata
from confluent_kafka.admin import AdminClient

from services.alert.app.service import GROUP
from services.alert.app.stream import EventQueue, build_app
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

NAME = "alert"
STATIC = {"LIVETRAP_KAFKA__INSTANCE_ID": NAME}


def members(site: AlertSite) -> list[Any]:
    """Return the members of the group when it is made."""
    group = site.prefix + GROUP
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    found = admin.describe_consumer_groups([group])[group].result(60)
    return list(found.members) if found.state.name == "STABLE" else []


async def start_in_a_group_without_partitions(site: AlertSite) -> ServiceProcess:
    """Start the service under the name of a member that was given nothing.

    The leader of a group that is made while a broker starts may know of no topic yet.
    """
    app = build_app(
        site.kafka.model_copy(update={"instance_id": NAME}),
        group=GROUP,
        data_dir=site.folder,
        events=EventQueue(),
        heartbeat=lambda: None,
    )
    assign = app.assignor.assign
    app.assignor.assign = lambda _, known: assign(ClusterMetadata(), known)
    await app.start()
    try:
        (before,) = await asyncio.to_thread(wait_until, lambda: members(site), what="the group")
        assert not before.assignment.topic_partitions
        service = await asyncio.to_thread(site.start_and_wait, **STATIC)
        await asyncio.to_thread(
            wait_until,
            lambda: [each.member_id for each in members(site)] not in ([], [before.member_id]),
            what="the process in the place of the member before",
        )
    finally:
        await app.stop()
    return service


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def test_a_process_without_partitions_comes_back_with_them(site: AlertSite) -> None:
    site.publish([source_event(1)])
    service = asyncio.run(start_in_a_group_without_partitions(site))
    wait_until(lambda: service.process.poll() is not None, what="end of what reads nothing")
    (why,) = (line["error"] for line in service.lines() if line.get("event") == "service_failed")
    assert why == "1 events wait and no partition is read"
    site.start(**STATIC)
    wait_until(lambda: len(site.read(site.topics.alerts_gcn)) == 1, what="the alert")
