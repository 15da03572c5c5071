"""Table `alert` on a real PostgreSQL: an alert is stored once, and marked when Kafka has it."""

import asyncio
import math
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.postgres import create_pool
from runtime.settings import AlertSettings, PostgresSettings
from schemas.messages import SourceEvent
from services.alert.models import AlertHistory, NewAlert, StoredAlert
from services.alert.steps.alert import build_alert
from services.alert.storage import AlertStore
from tests.support.api_rows import rows_of
from tests.support.vtp_events import DECISION, START, source_event

SETTINGS = AlertSettings(authority="org.test")


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    settings = PostgresSettings(url=SecretStr(postgres_url))
    made = await create_pool(settings, service="test")
    yield made
    await made.close()


@pytest.fixture
def store(pool: asyncpg.Pool) -> AlertStore:
    return AlertStore(pool)


def fresh_event(**changes: object) -> SourceEvent:
    """Return an event that no other test has: they share the table."""
    return source_event(salt=uuid.uuid4().hex, **changes)


LOW_WATERMARK = {"a/0": 7}


def render(event: SourceEvent, before: AlertHistory) -> NewAlert:
    return build_alert(event, SETTINGS, DECISION, START, revision=before.revision)


async def add(store: AlertStore, event: SourceEvent) -> tuple[StoredAlert, bool]:
    """Store the alert of an event; return it, and whether it is new."""
    async with store.transaction() as transaction:
        existing = await transaction.find(event.event_id)
        if existing is not None:
            return existing, False
        return await transaction.add(
            render(event, await transaction.get_alert_history(event)), LOW_WATERMARK
        ), True


async def find_unpublished(store: AlertStore, ivorn: str) -> StoredAlert | None:
    found = [alert for alert in await store.list_unpublished() if alert.ivorn == ivorn]
    return found[0] if found else None


async def finish(store: AlertStore, alert: StoredAlert) -> None:
    await store.mark_published([alert.id], datetime.now(UTC))


async def test_an_event_is_stored_once(store: AlertStore) -> None:
    event = fresh_event()
    alert, is_new = await add(store, event)
    again, is_new_again = await add(store, event)
    assert (is_new, is_new_again) == (True, False)
    assert not alert.may_be_sent
    assert again == replace(alert, may_be_sent=True)  # byte for byte
    assert alert.ivorn.endswith(".0")
    await finish(store, alert)


async def test_a_transaction_sees_what_it_stored_itself(store: AlertStore) -> None:
    first = fresh_event()
    second = replace(first, event_id=uuid.uuid4().hex)
    async with store.transaction() as transaction:
        stored = [
            await transaction.add(
                render(event, await transaction.get_alert_history(event)), LOW_WATERMARK
            )
            for event in (first, second)
        ]
        assert [await transaction.find(event.event_id) for event in (first, second)] == stored
    assert [alert.ivorn[-2:] for alert in stored] == [".0", ".1"]
    for alert in stored:
        await finish(store, alert)


def random_events(rng: random.Random, n: int) -> list[SourceEvent]:
    """Return events of a few families, images and streams within two minutes."""
    salt = uuid.uuid4().hex
    made = []
    for number in range(n):
        family, image = (f"{salt}{rng.randrange(4)}" for _ in range(2))
        event = source_event(number, salt=salt)
        made.append(
            replace(
                event, trig_id=family, image_id=image, stream=f"{salt}{rng.randrange(2)}",
                time_start=START + timedelta(seconds=rng.choice((0, 30, 59.9, 60, 90))),
                time_limit_previous=rng.choice((None, START - timedelta(seconds=number))),
                freq_eff_hz=rng.choice((120e6, 160e6)), stokes=rng.choice("IV"),
                flux_peak_jy_beam=rng.choice((math.nan, 0.1 * number)),
                earlier_trig_ids=tuple(rng.sample([f"{salt}{each}" for each in range(5)], 2)),
            )
        )  # fmt: skip
    return made


async def add_all(store: AlertStore, events: list[SourceEvent]) -> list[AlertHistory]:
    """Store the alerts of events in one transaction; return what was before each."""
    found, finished = [], []
    async with store.transaction(len(events)) as transaction:
        await transaction.load_histories(events)
        for event in events:
            before = await transaction.get_alert_history(event)
            role = "injection" if event.source_number % 3 else "observation"
            made = build_alert(
                event, SETTINGS, replace(DECISION, role=role), START, revision=before.revision,
                event_name=before.event_name or f"name {event.source_number}",
            )  # fmt: skip
            finished.append(await transaction.add(made, LOW_WATERMARK))
            found.append(before)
    for alert in finished:
        await finish(store, alert)
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_before_an_event_is_the_same_in_one_transaction_and_in_many(
    store: AlertStore, seed: int
) -> None:
    together = random_events(random.Random(seed), 24)
    alone = random_events(random.Random(seed), 24)
    before = await add_all(store, together)
    assert {each.first_alert is None for each in before} == {True, False}
    for event, expected in zip(alone, before, strict=True):
        (found,) = await add_all(store, [event])
        assert _without_salt(found, alone) == _without_salt(expected, together)


def _without_salt(history: AlertHistory, events: list[SourceEvent]) -> AlertHistory:
    """Return a history without the part of its names that only one run has."""
    salt = events[0].trig_id[:-1]
    names = tuple(each.replace(salt, "") for each in history.earlier_ivorns)
    return replace(history, earlier_ivorns=names)


async def test_an_alert_is_unpublished_until_it_is_marked(store: AlertStore) -> None:
    alert, _ = await add(store, fresh_event())
    stored = await find_unpublished(store, alert.ivorn)
    assert stored is not None
    assert stored.low_watermark == LOW_WATERMARK
    assert not stored.is_published
    assert stored.voevent == alert.voevent
    await finish(store, alert)
    assert await find_unpublished(store, alert.ivorn) is None
    done, _ = await add(store, fresh_event())
    await finish(store, done)


async def test_an_error_undoes_all_of_a_transaction(store: AlertStore) -> None:
    event, other = fresh_event(), fresh_event()

    async def add_both() -> None:
        async with store.transaction() as transaction:
            await transaction.add(render(event, AlertHistory()), LOW_WATERMARK)
            await transaction.add(
                replace(render(other, AlertHistory()), transient_id=2**70), LOW_WATERMARK
            )

    with pytest.raises(RejectedMessageError):
        await add_both()
    async with store.transaction() as transaction:
        assert await transaction.find(event.event_id) is None


async def test_alerts_are_inserted_while_others_are_built_and_seen_together(
    store: AlertStore, pool: asyncpg.Pool
) -> None:
    events = [fresh_event() for _ in range(120)]
    n_before = []

    async def count() -> int:
        (row,) = await pool.fetch(
            "select count(*) as n from alert where event_id = any($1)",
            [each.event_id for each in events],
        )
        return int(row["n"])

    async with store.transaction(len(events)) as transaction:
        stored = [
            await transaction.add(render(each, AlertHistory()), LOW_WATERMARK) for each in events
        ]
        await transaction.load([events[0].event_id])
        first = await transaction.find(events[0].event_id)
        n_before.append(await count())
    # The transaction had the first ones in its table; nobody else saw any before its end.
    assert first is not None
    assert first is not stored[0]
    assert first.id == stored[0].id
    assert n_before == [0]
    assert await count() == len(events)
    assert [each.id for each in stored] == sorted(each.id for each in stored)
    await store.mark_published([each.id for each in stored], datetime.now(UTC))


@pytest.mark.parametrize("n_after", [0, 1, 25, 60])
async def test_an_error_beside_undoes_all_of_a_transaction(
    store: AlertStore, n_after: int
) -> None:
    events = [fresh_event() for _ in range(26 + n_after)]
    alerts = [render(each, AlertHistory()) for each in events]
    alerts[3] = replace(alerts[3], transient_id=2**70)

    async def add_all() -> None:
        async with store.transaction() as transaction:
            for each in alerts:
                await transaction.add(each, LOW_WATERMARK)

    with pytest.raises(RejectedMessageError) as caught:
        await add_all()
    assert caught.value.reason_code == "unstorable"
    async with store.transaction(len(events)) as transaction:
        assert [await transaction.find(each.event_id) for each in events] == [None] * len(events)


@pytest.mark.parametrize("ends_with", [ZeroDivisionError, asyncio.CancelledError])
async def test_who_fails_while_alerts_are_inserted_leaves_none_and_a_usable_connection(
    postgres_url: str, ends_with: type[BaseException]
) -> None:
    settings = PostgresSettings(url=SecretStr(postgres_url), pool_size=1)
    pool = await create_pool(settings, service="test", resets_sessions=False)
    store, events = AlertStore(pool), [fresh_event() for _ in range(50)]

    async def add_and_fail() -> None:
        async with store.transaction() as transaction:
            for each in events:
                await transaction.add(render(each, AlertHistory()), LOW_WATERMARK)
            raise ends_with

    with pytest.raises(ends_with):
        await add_and_fail()
    alert, is_new = await add(store, events[0])
    assert is_new
    await finish(store, alert)
    await pool.close()


async def test_revisions_count_up_also_when_several_come_at_once(store: AlertStore) -> None:
    first = fresh_event()
    family = [replace(first, event_id=uuid.uuid4().hex) for _ in range(12)]
    added = await asyncio.gather(*(add(store, event) for event in family))
    revisions = sorted(int(alert.ivorn.rpartition(".")[2]) for alert, _ in added)
    assert revisions == list(range(12))
    for alert, _ in added:
        await finish(store, alert)


async def test_the_same_event_at_once_is_stored_once(store: AlertStore) -> None:
    event = fresh_event()
    added = await asyncio.gather(*(add(store, event) for _ in range(8)))
    assert sum(is_new for _, is_new in added) == 1
    assert len({alert.id for alert, _ in added}) == 1
    await finish(store, added[0][0])


async def test_listeners_are_notified(store: AlertStore, postgres_url: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.add_listener(
            "livetrap_alert", lambda *notified: heard.put_nowait(notified[3])
        )
        alert, _ = await add(store, fresh_event())
        async with asyncio.timeout(60):
            while await heard.get() != str(alert.id):
                pass
        await finish(store, alert)
    finally:
        await connection.close()


async def test_a_value_that_no_column_can_store_is_rejected(store: AlertStore) -> None:
    too_large = replace(render(fresh_event(), AlertHistory()), transient_id=2**70)
    with pytest.raises(RejectedMessageError) as caught:
        async with store.transaction() as transaction:
            await transaction.add(too_large, LOW_WATERMARK)
    assert caught.value.reason_code == "unstorable"


async def test_zero_bytes_in_text_are_rejected(store: AlertStore) -> None:
    event = fresh_event(stream="a\x00b")
    with pytest.raises(RejectedMessageError):
        await add(store, event)


async def test_a_database_without_our_tables_is_fatal(postgres_url: str) -> None:
    settings = PostgresSettings(url=SecretStr(postgres_url), pool_size=1)
    pool = await create_pool(settings, service="test", resets_sessions=False)
    try:
        async with pool.acquire() as connection:
            await connection.execute("set search_path to pg_temp")
        with pytest.raises(FatalError, match="livetrap migrate"):
            await AlertStore(pool).list_unpublished()
    finally:
        await pool.close()


WAITING = "select pid from pg_locks where locktype = 'advisory' and not granted"
LOCK = "pg_advisory_{}(hashtext('livetrap.alert'))"


async def test_a_lost_connection_is_worth_another_try(
    store: AlertStore, postgres_url: str
) -> None:
    event = fresh_event()
    other = await asyncpg.connect(postgres_url)
    try:
        await other.execute(f"select {LOCK.format('lock')}")
        adding = asyncio.create_task(add(store, event))
        # PostgreSQL has no notification of a wait for a lock.
        while (pid := await other.fetchval(WAITING)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await other.execute("select pg_terminate_backend($1)", pid)
        with pytest.raises(TransientError):
            await adding
        await other.execute(f"select {LOCK.format('unlock')}")
    finally:
        await other.close()
    alert, is_new = await add(store, event)
    assert is_new
    await finish(store, alert)


async def test_rules_may_name_the_streams_and_telescopes_that_images_have(
    store: AlertStore, postgres_url: str
) -> None:
    async with rows_of(postgres_url) as rows:
        names = {f"T{uuid.uuid4().hex}" for _ in range(2)}
        for step, telescope in enumerate([*names, None, *names]):
            await rows.image(step, telescope=telescope)
        known = await store.list_names()
        assert rows.stream in known.streams
        assert names <= known.telescopes
        assert None not in known.telescopes


async def test_the_alerts_of_the_minute_before_are_counted_for_each_event_of_a_batch(
    store: AlertStore,
) -> None:
    stream, generator = uuid.uuid4().hex, random.Random(5)
    odd_s = [0.0, 60.0, 59.999999, 60.000001, 119.999999, 120.0, -0.000001]

    def events_at(offsets_s: list[float]) -> list[SourceEvent]:
        return [
            fresh_event(stream=stream, time_start=START + timedelta(seconds=offset_s))
            for offset_s in offsets_s
        ]

    stored = events_at([*odd_s, *(generator.uniform(-90, 200) for _ in range(30))])
    for event in stored:
        await add(store, event)
    batch = events_at([*odd_s, *(generator.uniform(-150, 300) for _ in range(30))])
    async with store.transaction(len(batch)) as transaction:
        await transaction.load_histories(batch)
        for event in batch:
            before = await transaction.get_alert_history(event)
            ages = [event.time_start - each.time_start for each in stored]
            expected = sum(timedelta(0) <= age < timedelta(minutes=1) for age in ages)
            assert before.n_of_minute == expected, event.time_start
            await transaction.add(render(event, before), LOW_WATERMARK)
            stored.append(event)
