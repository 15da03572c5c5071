"""Rules over REST: which sent alerts, and what others would have sent."""

import uuid
from datetime import UTC, datetime

import asyncpg
import pytest

from runtime.settings import AlertSettings
from services.alert.steps.alert import build_alert
from tests.support.announced_events import store_events, tell
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of
from tests.support.vtp_events import DECISION, source_event

TOKEN = "correct horse battery"  # noqa: S105  (of the test alone)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/api/v1/rules"


def rules_of(condition: str) -> str:
    return f'[[rule]]\nname = "tried"\nwhen = "{condition}"\n'


async def test_rules_are_tried_on_past_events(postgres_url: str) -> None:
    async with (
        rows_of(postgres_url) as rows,
        client_of(postgres_url, write_token=TOKEN) as client,
        asyncpg.create_pool(postgres_url, min_size=1, max_size=2) as pool,
    ):
        events = [
            source_event(n, salt=uuid.uuid4().hex, stream=rows.stream, snr=10.0 * (n + 1))
            for n in range(3)
        ]
        await store_events(pool, rows, events)
        settings = AlertSettings(authority="org.test")
        sent = build_alert(events[0], settings, DECISION, datetime.now(UTC), revision=0)
        await tell(pool, [sent])
        asked = {"rules": rules_of(f"stream == '{rows.stream}' and snr > 15"), "days": 1}
        answer = await client.post(f"{PATH}/dry-run", json=asked, headers=AUTHORIZED)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["n_alerts_by_rule"] == {"tried": 2}
        assert found["warnings"] == []
        assert found["n_events"] >= 3
        ours = {each["event_id"]: each for each in found["differences"]}
        assert ours[events[0].event_id]["outcome"] == "no_rule"
        assert ours[events[0].event_id]["was_alerted"]
        assert ours[events[2].event_id]["outcome"] == "alert"
        listed = (await client.get(PATH, params={"days": 1})).json()["items"]
        assert DECISION.rule in [each["name"] for each in listed]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rule", "not TOML"),
        (rules_of("snr >"), "tried"),
        (rules_of("stream == 'nowhere'"), "nowhere"),
        (rules_of("telescope == 'NOWHERE'"), "no telescope 'NOWHERE'"),
        (rules_of("matches('nothing', 5)"), "nothing"),
        (rules_of("sn > 5"), "sn"),
        (rules_of("snr > 5 and p_false > 1"), "`p_false > 1.0` is never true; p_false is 0 to 1"),
    ],
)
async def test_a_wrong_rule_is_explained(postgres_url: str, text: str, words: str) -> None:
    async with (
        rows_of(postgres_url) as rows,
        client_of(postgres_url, write_token=TOKEN) as client,
    ):
        await rows.image(0.0, telescope="LOFAR")
        answer = await client.post(f"{PATH}/dry-run", json={"rules": text}, headers=AUTHORIZED)
        assert answer.status_code == 400, answer.text
        assert words in answer.json()["detail"]
        assert (await client.post(f"{PATH}/dry-run", json={"rules": text})).status_code == 401
