"""A process that its consumer group gives nothing to read, and that comes back under its name."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faust
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


def build_in_a_group_without_topics(site: AlertSite, *, n_partitions: int) -> faust.App:
    """Return an app that leads a group and is told of no topic, as while a broker starts."""
    app = build_app(
        site.kafka.model_copy(update={"instance_id": NAME}),
        group=GROUP,
        data_dir=site.folder,
        events=EventQueue(),
        n_partitions=n_partitions,
        heartbeat=lambda: None,
    )
    assign = app.assignor.assign
    app.assignor.assign = lambda _, known: assign(ClusterMetadata(), known)
    return app


async def start_in_a_group_without_partitions(site: AlertSite) -> ServiceProcess:
    """Start the service under the name of a member that was given nothing."""
    app = build_in_a_group_without_topics(site, n_partitions=0)
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


def test_a_leader_that_is_told_of_no_topic_gives_its_partitions(site: AlertSite) -> None:
    site.publish([source_event(1)])

    async def join() -> None:
        app = build_in_a_group_without_topics(site, n_partitions=3)
        await app.start()
        try:
            (member,) = await asyncio.to_thread(
                wait_until, lambda: members(site), what="the group"
            )
        finally:
            await app.stop()
        given = member.assignment.topic_partitions
        assert sorted((each.topic, each.partition) for each in given) == [
            (site.topics.transients, number) for number in range(3)
        ]

    asyncio.run(join())
