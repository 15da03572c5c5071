"""How often the way of an event waits for PostgreSQL."""

import hashlib
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

import services.alert
from rules.rule_set import load_rules
from runtime.postgres import create_pool
from runtime.settings import AlertSettings, PostgresSettings
from runtime.sql import load_statement
from schemas.codec import encode_source_event
from services.alert.handlers.transients import TransientHandler
from services.alert.storage import AlertStore
from tests.support.alert_sender import MemorySender
from tests.support.association import associator
from tests.support.life_cycle import see

NAMES = {
    load_statement("services.alert", path.stem).text: path.stem
    for path in (Path(services.alert.__file__).parent / "queries").glob("*.sql")
}


@pytest.mark.parametrize("n_events", [1, 20])
async def test_events_that_come_together_wait_for_nine_answers(
    postgres_url: str, n_events: int
) -> None:
    asked: list[str] = []

    async def listen(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(lambda each: asked.append(NAMES.get(each.query, each.query)))

    settings = PostgresSettings(url=SecretStr(postgres_url))
    pool = await create_pool(settings, service="test", prepare=listen, resets_sessions=False)
    sender = MemorySender()
    handler = TransientHandler(
        AlertSettings(authority="org.test", max_per_image=1000, max_per_minute=1000),
        rules=lambda: load_rules(None), store=AlertStore(pool), sender=sender,
    )  # type: ignore[arg-type]  # fmt: skip
    async with associator(postgres_url) as site:
        (event,) = await see(site, None, 0.02)
    # What is asked once for the events of a minute.
    assert await handler.on_events([encode_source_event(event)]) == [None]
    salts = [f"{event.event_id} {number}" for number in range(n_events)]
    names = [hashlib.sha256(salt.encode()).hexdigest() for salt in salts]
    events = [replace(event, event_id=name, trig_id=name) for name in names]
    asked.clear()
    values = [encode_source_event(each) for each in events]
    assert await handler.on_events(values) == [None] * n_events
    await pool.close()
    assert len(sender.packets) == 1 + n_events
    assert asked == [
        "select_timestep_images",
        "select_points",
        "select_near_references",
        "BEGIN;",
        "lock_alerts",
        "list_alert_histories",
        "insert_alerts",
        "COMMIT;",
        "mark_alerts_published",
    ]
