"""Subscriptions over REST: who asks, for what, and the alerts of a night that they may get."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import asyncpg

from livetrap.operator.tokens import issue_token
from runtime.settings import AlertSettings, PostgresSettings, Settings
from services.alert.models import NewAlert
from services.alert.steps.alert import build_alert
from tests.support.announced_events import store_events, tell
from tests.support.api_rows import Rows
from tests.support.vtp_events import DECISION, source_event

__all__ = ["AUTHORIZED", "PATH", "TOKEN", "new", "night", "token_of"]

TOKEN = "correct horse battery"  # noqa: S105  (of the test alone)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/api/v1/subscriptions"


def new(**changes: Any) -> dict[str, Any]:
    """Return the body of a request for a subscription of a new name."""
    values = {"name": f"test-{uuid.uuid4().hex[:8]}", "rule": "snr > 12", "channel": "kafka"}
    return values | changes


async def night(pool: asyncpg.Pool, rows: Rows) -> list[NewAlert]:
    """Store alerts of now with S/N 10, 20 and 30, and a retraction of the last; return them."""
    events = [
        source_event(number, salt=uuid.uuid4().hex, stream=rows.stream, snr=10.0 * (number + 1))
        for number in range(3)
    ]
    taken_back = source_event(
        salt=uuid.uuid4().hex, stream=rows.stream, trig_id=events[2].trig_id, snr=1.0,
        kind="retraction",
    )  # fmt: skip
    await store_events(pool, rows, [*events, taken_back])
    settings = AlertSettings(authority="org.test")
    alerts = [
        build_alert(
            event, settings, DECISION, datetime.now(UTC), revision=int(event is taken_back)
        )
        for event in (*events, taken_back)
    ]
    await tell(pool, alerts)
    return alerts


async def token_of(name: str, postgres_url: str, scope: str = "annotate") -> dict[str, str]:
    """Issue a token; return the header of who has it."""
    settings = Settings(postgres=PostgresSettings(url=postgres_url))
    unique = f"{name}-{uuid.uuid4().hex[:8]}"
    token = await asyncio.to_thread(issue_token, settings, unique, [scope], valid_days=1)
    return {"Authorization": f"Bearer {token}"}
