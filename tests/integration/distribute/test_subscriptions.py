"""Subscriptions: what is wanted and what follows it, on every channel; limits; replays."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from confluent_kafka import Consumer
from lxml import etree

from runtime.background import BackgroundTasks
from runtime.settings import AlertSettings, DistributeSettings, KafkaSettings
from schemas.messages import SourceEvent
from schemas.topics import Topics
from services.alert.models import NewAlert
from services.alert.steps.alert import build_alert
from services.distribute.app import subscriptions as runner_module
from services.distribute.app.subscriptions import SubscriptionRunner
from services.distribute.steps.replay_pace import ReplayPace
from services.distribute.storage import DeliveryStore, StampStore, SubscriptionStore
from tests.support.announced_events import store_events, tell
from tests.support.api_rows import Rows
from tests.support.in_flight import new_in_flight
from tests.support.receivers import always, serving, until
from tests.support.stamp_rows import stamp_file, store_stamps
from tests.support.vtp_events import DECISION, START, source_event

SETTINGS = AlertSettings(authority="org.test")


def of_stream(rows: Rows, **changes: Any) -> SourceEvent:
    return source_event(salt=uuid.uuid4().hex, stream=rows.stream, **changes)


def alert_of(event: SourceEvent, revision: int = 0, after_s: float = 0.0) -> NewAlert:
    time = START + timedelta(seconds=after_s)
    return build_alert(event, SETTINGS, DECISION, time, revision=revision)


async def subscribe(
    pool: asyncpg.Pool, channel: str, rule: str, target: str = "", *, stamps: bool = False
) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    # At once: a runner that sees a subscription without its subscriber adds that itself.
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "insert into subscription (name, owner, rule, channel, target, stamps) "
            "values ($1, 'me', $2, $3, $4, $5)",
            name, rule, channel, target, stamps,
        )  # fmt: skip
        await connection.execute(
            "insert into subscriber (channel, name, since_alert_id) "
            "values ('subscription', $1, (select coalesce(max(id), 0) from alert))",
            name,
        )
    return name


@asynccontextmanager
async def serving_subscriptions(
    pool: asyncpg.Pool,
    kafka: KafkaSettings | None = None,
    *,
    replayed_per_s: float = 1e4,
    **settings: Any,
) -> AsyncIterator[SubscriptionRunner]:
    """Serve the subscriptions of the database, and look often which there are."""
    values = {"subscription_allow_private": True, "delivery_hours": 8760.0} | settings
    runner = SubscriptionRunner(
        DistributeSettings(**values), kafka or KafkaSettings(),
        store=SubscriptionStore(pool), deliveries=DeliveryStore(pool),
        stamps=StampStore(pool), may_deliver=always,
        in_flight=new_in_flight(),
        background=BackgroundTasks(pytest.fail),
    )  # fmt: skip
    runner._replay_pace = ReplayPace(replayed_per_s)  # tests replay hundreds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner_module, "_INTERVAL_S", 0.05)
        task = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await runner.aclose()


async def test_what_is_wanted_comes_and_all_that_follows_it(
    pool: asyncpg.Pool, rows: Rows
) -> None:
    bright, faint = of_stream(rows, snr=25.0), of_stream(rows, snr=9.0)
    taken_back = [
        replace(event, event_id=uuid.uuid4().hex, kind="retraction", snr=2.0)
        for event in (bright, faint)
    ]
    await store_events(pool, rows, [bright, faint, *taken_back])
    rule = f"stream == '{rows.stream}' and snr > 12"
    async with serving() as server, serving_subscriptions(pool) as runner:
        await subscribe(pool, "webhook", rule, f"http://127.0.0.1:{server.port}/")
        await tell(pool, [alert_of(bright), alert_of(faint)])
        await until(lambda: runner.wake() or server.requests)
        await tell(pool, [alert_of(each, revision=1) for each in taken_back])
        await until(lambda: runner.wake() or len(server.requests) >= 2)
        assert server.ivorns == [
            alert_of(bright).ivorn, alert_of(taken_back[0], revision=1).ivorn
        ]  # fmt: skip


async def test_a_chat_gets_a_line_of_text(pool: asyncpg.Pool, rows: Rows) -> None:
    event = of_stream(rows)
    await store_events(pool, rows, [event])
    async with serving() as server, serving_subscriptions(pool) as runner:
        await subscribe(
            pool, "chat", f"stream == '{rows.stream}'", f"http://127.0.0.1:{server.port}/"
        )
        await tell(pool, [alert_of(event)])
        await until(lambda: runner.wake() or server.requests)
    ((_, body),) = server.requests
    assert json.loads(body)["text"].startswith(
        f"{event.trig_id}: initial, new_source, S/N 25.0, 123.4000 +45.6000, 2026-03-01T12:00:04"
    )


async def test_a_webhook_gets_stamps_if_it_wants_them(
    pool: asyncpg.Pool, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine has its time to draw.
    monkeypatch.setattr(runner_module, "WEBHOOK_PICTURES_S", 600.0)
    event = of_stream(rows)
    await store_events(pool, rows, [event])
    await store_stamps(pool, event.trig_id, now=stamp_file(5.0), before=stamp_file(-1.0))
    rule = f"stream == '{rows.stream}'"
    async with (
        serving() as with_stamps, serving() as without, serving_subscriptions(pool) as runner,
    ):  # fmt: skip
        for server, stamps in ((with_stamps, True), (without, False)):
            target = f"http://127.0.0.1:{server.port}/"
            await subscribe(pool, "webhook", rule, target, stamps=stamps)
        await tell(pool, [alert_of(event)])
        await until(lambda: runner.wake() or (with_stamps.requests and without.requests))
    notice, plain = (json.loads(server.requests[0][1]) for server in (with_stamps, without))
    assert list(notice.pop("stamps_png")) == ["before", "now", "difference"]
    assert notice == plain == json.loads(alert_of(event).notice)


async def test_a_topic_of_its_own_gets_notices(
    pool: asyncpg.Pool, rows: Rows, kafka_bootstrap: str
) -> None:
    events = [of_stream(rows, snr=snr) for snr in (20.0, 9.0, 30.0)]
    await store_events(pool, rows, events)
    kafka = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    name = await subscribe(pool, "kafka", f"stream == '{rows.stream}' and snr > 12")
    alerts = [alert_of(event) for event in events]
    consumer = Consumer(
        {"bootstrap.servers": kafka_bootstrap, "group.id": name, "log_level": 0,
         "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 200}
    )  # fmt: skip
    consumer.subscribe([Topics(kafka.topic_prefix).alerts_of(name)])
    heard: list[bytes] = []

    def hear() -> bool:
        message = consumer.poll(0.1)
        if message is not None and not message.error():
            heard.append(message.value())
        return len(heard) >= 2

    async with serving_subscriptions(pool, kafka) as runner:
        await tell(pool, alerts)
        await until(lambda: runner.wake() or hear())
    consumer.close()
    assert heard == [alerts[0].notice, alerts[2].notice]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"subscription_alerts_per_hour": 2}, "it wants 3 alerts in an hour, more than 2"),
        ({"subscription_ms_per_alert": 1e-9}, "ms of CPU time an alert, more than 1e-09"),
    ],
)
async def test_one_that_costs_too_much_is_disabled_with_words(
    pool: asyncpg.Pool, rows: Rows, settings: dict[str, Any], reason: str
) -> None:
    wanted = [of_stream(rows) for _ in range(3)]
    others = [of_stream(rows, snr=9.0) for _ in range(20)]
    await store_events(pool, rows, [*wanted, *others])
    async with serving_subscriptions(pool, **settings) as runner:
        name = await subscribe(pool, "sse", f"stream == '{rows.stream}' and snr > 12")
        await tell(pool, [alert_of(event) for event in (*wanted, *others)])
        query = "select disabled_reason from subscriber where name = $1"
        async with asyncio.timeout(60):
            while (found := await pool.fetchval(query, name)) is None:
                runner.wake()
                await asyncio.sleep(0.02)
    assert reason in found


async def test_a_subscription_whose_receiver_is_away_is_not_disabled_for_its_alerts(
    pool: asyncpg.Pool, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FIRST_BACKOFF_S", "_LONGEST_FAILURE_BACKOFF_S"):
        monkeypatch.setattr(f"services.distribute.handlers.channel.{name}", 0.01)
    events = [of_stream(rows) for _ in range(3)]
    await store_events(pool, rows, events)
    limits = {"subscription_alerts_per_hour": 3}
    query = "select disabled_reason, n_failures from subscriber where name = $1"
    async with serving(*[503] * 12) as server, serving_subscriptions(pool, **limits) as runner:
        target = f"http://127.0.0.1:{server.port}/"
        name = await subscribe(pool, "webhook", f"stream == '{rows.stream}'", target)
        await tell(pool, [alert_of(event) for event in events])
        await until(lambda: runner.wake() or len(server.requests) >= 12 + len(events))
        found = await pool.fetchrow(query, name)
    assert found["disabled_reason"] is None
    assert server.ivorns[12:] == [alert_of(event).ivorn for event in events]


async def test_a_deleted_subscription_gets_no_more(pool: asyncpg.Pool, rows: Rows) -> None:
    events = [of_stream(rows) for _ in range(2)]
    await store_events(pool, rows, events)
    async with serving() as server, serving_subscriptions(pool) as runner:
        target = f"http://127.0.0.1:{server.port}/"
        rule = f"stream == '{rows.stream}'"
        first = await subscribe(pool, "webhook", rule, target)
        await tell(pool, [alert_of(events[0])])
        await until(lambda: runner.wake() or server.requests)
        await pool.execute("delete from subscription where name = $1", first)
        await until(lambda: first not in [each.subscription.name
                                          for each in runner._running.values()])  # fmt: skip
        await subscribe(pool, "webhook", rule, target)
        await tell(pool, [alert_of(events[1])])
        await until(lambda: runner.wake() or len(server.requests) >= 2)
        assert server.ivorns == [alert_of(event).ivorn for event in events]


async def test_a_night_is_replayed_to_one_subscription_as_tests(
    pool: asyncpg.Pool, rows: Rows
) -> None:
    events = [of_stream(rows, snr=snr) for snr in (20.0, 9.0, 30.0)]
    update = replace(events[0], event_id=uuid.uuid4().hex, kind="update")
    await store_events(pool, rows, [*events, update])
    night = [alert_of(event, after_s=number) for number, event in enumerate(events)]
    night.append(alert_of(update, revision=1, after_s=4.0))
    await tell(pool, night)
    async with (
        serving() as server, serving() as other,
        serving_subscriptions(pool, delivery_hours=1.0),
    ):  # fmt: skip
        rule = f"stream == '{rows.stream}' and snr > 12"
        name = await subscribe(pool, "webhook", rule, f"http://127.0.0.1:{server.port}/")
        await subscribe(pool, "webhook", rule, f"http://127.0.0.1:{other.port}/")
        number = await pool.fetchval(
            "insert into replay (subscription_id, time_since, time_until, speed) "
            "select id, $2, $3, 50 from subscription where name = $1 returning id",
            name, START, START + timedelta(hours=1),
        )  # fmt: skip
        query = "select * from replay where id = $1 and time_done is not null"
        async with asyncio.timeout(60):
            while (done := await pool.fetchrow(query, number)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert other.requests == []
    assert (done["n_sent"], done["failure_reason"]) == (3, None)
    assert server.ivorns == [
        f"{each.ivorn}.replay{number}".lower() for each in night if each is not night[1]
    ]
    for _, body in server.requests:
        notice = json.loads(body)
        assert (notice["role"], notice["alert_tense"]) == ("test", "test")
    assert notice["cited_ivorns"] == [f"{night[0].ivorn}.replay{number}"]


async def ask_for_replay(pool: asyncpg.Pool, name: str) -> asyncpg.Record:
    """Ask for the alerts of one hour again; return the row of the replay when it has ended."""
    number = await pool.fetchval(
        "insert into replay (subscription_id, time_since, time_until, speed) "
        "select id, $2, $3, 1e6 from subscription where name = $1 returning id",
        name, START, START + timedelta(hours=1),
    )  # fmt: skip
    query = "select * from replay where id = $1 and time_done is not null"
    async with asyncio.timeout(120):
        while (done := await pool.fetchrow(query, number)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return done


async def test_a_mailbox_gets_no_more_by_replays_than_it_may(
    pool: asyncpg.Pool, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.replay._FIRST_BACKOFF_S", 0.001)
    events = [of_stream(rows) for _ in range(3)]
    await store_events(pool, rows, events)
    await tell(pool, [alert_of(event, after_s=number) for number, event in enumerate(events)])
    rule = f"stream == '{rows.stream}'"
    limits = {"subscription_alerts_per_hour": 5, "delivery_hours": 1.0}
    async with serving() as server, serving_subscriptions(pool, **limits):
        robot = await subscribe(pool, "webhook", rule, f"http://127.0.0.1:{server.port}/")
        assert [(await ask_for_replay(pool, robot))["n_sent"] for _ in range(2)] == [3, 3]
        reasons = []
        for address in ("a.victim@example.org", "A.Victim@example.org", "another@example.org"):
            mailbox = await subscribe(pool, "email", rule, address)
            reasons.append((await ask_for_replay(pool, mailbox))["failure_reason"])
    refused = "this installation has no mail server"  # of the first of three alerts
    assert reasons[0] == reasons[2] == refused
    assert "it wants 6 alerts in an hour, more than 5" in reasons[1]


async def test_a_replay_that_costs_too_much_ends_with_the_reason(
    pool: asyncpg.Pool, rows: Rows
) -> None:
    events = [of_stream(rows) for _ in range(20)]
    await store_events(pool, rows, events)
    await tell(pool, [alert_of(event) for event in events])
    limits = {"subscription_ms_per_alert": 1e-9, "delivery_hours": 1.0}
    async with serving() as server, serving_subscriptions(pool, **limits):
        rule = f"stream == '{rows.stream}'"
        name = await subscribe(pool, "webhook", rule, f"http://127.0.0.1:{server.port}/")
        done = await ask_for_replay(pool, name)
    assert "ms of CPU time an alert, more than 1e-09" in done["failure_reason"]
    assert (done["n_sent"], server.requests) == (0, [])


def test_a_replayed_packet_is_a_valid_test() -> None:
    from services.alert.steps.validation import assert_valid
    from services.distribute.models import OutgoingAlert
    from services.distribute.steps.replay import to_test

    made = alert_of(replace(source_event(), kind="update"), revision=2)
    packet = to_test(OutgoingAlert(made.ivorn, made.voevent, made.notice), 7).voevent
    assert_valid(packet)
    root = etree.fromstring(packet)
    assert (root.get("role"), root.get("ivorn")) == ("test", f"{made.ivorn}.replay7")
    cited = [each.text for each in root.findall("Citations/EventIVORN")]
    assert cited
    assert all(str(each).endswith(".replay7") for each in cited)
