"""Topics of deleted subscriptions on a real broker: deleted after a time, and once is enough."""

import asyncio
import uuid
from collections.abc import Sequence

import asyncpg
import pytest
from confluent_kafka.admin import AdminClient

from livetrap.stack.ports import choose_port
from runtime.errors import TransientError
from runtime.kafka import delete_topics, ensure_alert_topic
from runtime.settings import KafkaSettings
from runtime.threads import run_in_thread
from schemas.topics import Topics
from services.distribute.handlers import unused_topics as handler_module
from services.distribute.handlers.unused_topics import UnusedTopics
from services.distribute.storage import UnusedTopicStore
from tests.support.api_service import client_of
from tests.support.receivers import always
from tests.support.subscription_requests import AUTHORIZED, PATH, TOKEN, new

DAY_S = 86_400.0


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )


def topics_of(kafka: KafkaSettings) -> set[str]:
    """Return the topics of the broker with the prefix of a test."""
    found = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(timeout=60)
    return {name for name in found.topics if name.startswith(kafka.topic_prefix)}


async def until_topics_are(kafka: KafkaSettings, *names: str) -> None:
    """Wait until the broker has the topics of these subscriptions, and no others of a test."""
    wanted = {topic_of(kafka, name) for name in names}
    async with asyncio.timeout(120):
        while True:
            if await run_in_thread(lambda: topics_of(kafka)) == wanted:
                return
            await asyncio.sleep(0.05)


def topic_of(kafka: KafkaSettings, name: str) -> str:
    return Topics(kafka.topic_prefix).alerts_of(name)


def unused_topics(pool: asyncpg.Pool, kafka: KafkaSettings, **changes: float) -> UnusedTopics:
    async def delete(names: Sequence[str]) -> None:
        await run_in_thread(lambda: delete_topics(kafka, [topic_of(kafka, one) for one in names]))

    values = {"unused_s": DAY_S} | changes
    return UnusedTopics(UnusedTopicStore(pool), delete=delete, may_delete=always, **values)


async def retire(pool: asyncpg.Pool, *, days: float) -> str:
    """Note the topic of a subscription that was deleted some days ago; return its name."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    await pool.execute(
        "insert into unused_topic (name, time_unused) values ($1, now() - $2 * interval '1 day')",
        name, days,
    )  # fmt: skip
    return name


async def list_unused(pool: asyncpg.Pool, *names: str) -> list[str]:
    query = "select name from unused_topic where name = any($1::text[]) order by time_unused"
    return [row["name"] for row in await pool.fetch(query, list(names))]


async def test_a_topic_is_deleted_when_its_time_is_over(
    pool: asyncpg.Pool, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young, gone = [await retire(pool, days=days) for days in (1.1, 0.9, 2.0)]
    for name in (old, young):
        ensure_alert_topic(kafka, topic_of(kafka, name))
    await until_topics_are(kafka, old, young)
    monkeypatch.setattr(handler_module, "_INTERVAL_S", 0.05)
    task = asyncio.create_task(unused_topics(pool, kafka).run())
    try:
        await until_topics_are(kafka, young)
        # Rows are forgotten when the topics are gone.
        async with asyncio.timeout(60):
            while True:
                if await list_unused(pool, old, young, gone) == [young]:
                    break
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_waits_for_a_broker_that_is_away(
    pool: asyncpg.Pool, kafka: KafkaSettings
) -> None:
    name = await retire(pool, days=2.0)
    ensure_alert_topic(kafka, topic_of(kafka, name))
    await until_topics_are(kafka, name)
    nowhere = f"127.0.0.1:{choose_port(None, taken=set())}"
    away = kafka.model_copy(update={"bootstrap_servers": nowhere})
    with pytest.raises(TransientError, match="unavailable"):
        await unused_topics(pool, away).delete_due()
    assert await list_unused(pool, name) == [name]
    await unused_topics(pool, kafka).delete_due()
    await until_topics_are(kafka)
    assert await list_unused(pool, name) == []


async def test_a_name_that_is_used_again_keeps_its_topic(
    pool: asyncpg.Pool, kafka: KafkaSettings, postgres_url: str
) -> None:
    async with client_of(postgres_url, write_token=TOKEN) as client:
        client.headers.update(AUTHORIZED)
        again, other, hook = new(), new(), new(channel="sse")
        for each in (again, other, hook):
            assert (await client.post(PATH, json=each)).status_code == 201
            assert (await client.delete(f"{PATH}/{each['name']}")).status_code == 204
        names = [each["name"] for each in (again, other, hook)]
        assert await list_unused(pool, *names) == names[:2]
        assert (await client.post(PATH, json=again)).status_code == 201
        # Another channel of that name leaves the topic unused.
        assert (await client.post(PATH, json=other | {"channel": "sse"})).status_code == 201
        assert await list_unused(pool, *names) == [other["name"]]
        for name in names[:2]:
            ensure_alert_topic(kafka, topic_of(kafka, name))
        await until_topics_are(kafka, *names[:2])
        await unused_topics(pool, kafka, unused_s=0.0).delete_due()
        await until_topics_are(kafka, again["name"])


async def test_nobody_takes_a_name_while_its_topic_is_deleted(
    pool: asyncpg.Pool, postgres_url: str
) -> None:
    name = await retire(pool, days=2.0)
    blocked = (
        "select from pg_stat_activity where datname = current_database() "
        "and wait_event_type = 'Lock' and query like '%unused_topic%'"
    )
    async with client_of(postgres_url, write_token=TOKEN) as client:
        made: list[asyncio.Task[int]] = []

        async def subscribe() -> int:
            answer = await client.post(PATH, json=new(name=name), headers=AUTHORIZED)
            return answer.status_code

        async def delete(_: Sequence[str]) -> None:
            made.append(asyncio.create_task(subscribe()))
            async with asyncio.timeout(60):
                while not await pool.fetch(blocked):
                    assert not made[0].done()
                    await asyncio.sleep(0.02)

        unused = UnusedTopics(
            UnusedTopicStore(pool), delete=delete, may_delete=always, unused_s=DAY_S
        )
        await unused.delete_due()
        assert await made[0] == 201
    assert await list_unused(pool, name) == []
