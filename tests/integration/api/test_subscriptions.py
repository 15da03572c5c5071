"""Subscriptions over REST: who may, what is refused, dry run, replay, server-sent events."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from fastapi.security import HTTPAuthorizationCredentials

from api.handlers import alerts
from api.steps import subscriptions
from api.steps.subscriptions import follow
from livetrap.operator.tokens import issue_token
from runtime.api_tokens import hash_token
from runtime.settings import AlertSettings, PostgresSettings, Settings
from services.alert.models import NewAlert
from services.alert.steps.alert import build_alert
from tests.support.announced_events import store_events, tell
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import app_of, client_of
from tests.support.vtp_events import DECISION, source_event

TOKEN = "correct horse battery"  # noqa: S105  (of the test alone)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/api/v1/subscriptions"


@pytest.fixture
async def client(postgres_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(postgres_url, write_token=TOKEN) as made:
        made.headers.update(AUTHORIZED)
        yield made


@pytest.fixture
async def rows(postgres_url: str) -> AsyncIterator[Rows]:
    async with rows_of(postgres_url) as made:
        yield made


def new(**changes: Any) -> dict[str, Any]:
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


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    made = await asyncpg.create_pool(postgres_url, min_size=1, max_size=2)
    yield made
    await made.close()


async def test_a_subscription_is_made_shown_and_deleted(client: httpx.AsyncClient) -> None:
    wanted = new(
        cone={"ra": -10.0, "dec": 45.0, "radius_deg": 5.0}, moc="0/0-11", channel="webhook",
        schedule="mon 1:00-2:00", target="https://robot.example.org/", secret="x" * 16,
        stamps=True,
    )  # fmt: skip
    made = await client.post(PATH, json=wanted)
    assert made.status_code == 201, made.text
    shown = (await client.get(made.headers["location"])).json()
    assert shown == made.json()
    assert shown["cone"] == {"ra": 350.0, "dec": 45.0, "radius_deg": 5.0}
    assert (shown["is_signed"], shown["n_delivered"], shown["disabled_reason"]) == (True, 0, None)
    assert shown["stamps"] is True
    assert "secret" not in shown
    audit = await client.get("/api/v1/audit?limit=50")
    assert wanted["name"] in audit.text
    assert "x" * 16 not in audit.text
    assert wanted["name"] in [each["name"] for each in (await client.get(PATH)).json()]
    assert (await client.post(PATH, json=wanted)).status_code == 409
    assert (await client.delete(made.headers["location"])).status_code == 204
    assert (await client.get(made.headers["location"])).status_code == 404
    assert (await client.delete(made.headers["location"])).status_code == 404


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://hooks.example.org/services/T0/B0/token", "https://hooks.example.org/***"),
        ("https://robot:word@example.org:8443/?key=token#x", "https://example.org:8443/***"),
        ("https://example.org?key=token", "https://example.org/***"),
        ("https://user:a@b@example.org/token", "https://example.org/***"),
    ],
)
@pytest.mark.parametrize("channel", ["webhook", "chat"])
async def test_the_audit_has_the_host_of_an_address_alone(
    client: httpx.AsyncClient, pool: asyncpg.Pool, channel: str, address: str, shown: str
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select set_config('livetrap.actor', 'somebody', true)")
        await connection.execute(
            "insert into subscription (name, owner, rule, channel, target) "
            "values ('robot-of-the-audit', 'somebody', '', $1, $2)",
            channel,
            address,
        )
        await connection.execute(
            "update subscription set rule = 'snr > 9' where name = 'robot-of-the-audit'"
        )
        await connection.execute("delete from subscription where name = 'robot-of-the-audit'")
    audit = (await client.get("/api/v1/audit?limit=3&object=subscription")).json()["items"]
    rows = [row for each in audit for row in (each["row_before"], each["row_after"]) if row]
    assert [row["target"] for row in rows] == [shown] * 4


async def test_stamps_are_set_and_left_out_later(client: httpx.AsyncClient) -> None:
    hook = new(channel="webhook", target="https://robot.example.org/")
    place = (await client.post(PATH, json=hook)).headers["location"]
    for stamps in (True, True, False):
        changed = await client.patch(place, json={"stamps": stamps})
        assert (changed.status_code, changed.json()["stamps"]) == (200, stamps)
        assert (await client.get(place)).json() == changed.json()
    audit = (await client.get("/api/v1/audit?limit=50")).json()["items"]
    changes = [each for each in audit if each["action"] == "update"]
    assert [each["row_after"]["stamps"] for each in changes[:2]] == [False, True]
    topic = (await client.post(PATH, json=new())).headers["location"]
    refused = await client.patch(topic, json={"stamps": True})
    assert refused.status_code == 409
    assert "channel kafka cannot carry them" in refused.json()["detail"]
    assert (await client.patch(topic, json={"stamps": False})).status_code == 200
    for change in ({}, {"stamps": True, "rule": ""}, {"stamps": "perhaps"}):
        assert (await client.patch(place, json=change)).status_code in (400, 422)


async def test_a_new_one_gets_what_comes_from_then_on(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    wanted = new()
    await client.post(PATH, json=wanted)
    query = "select since_alert_id from subscriber where channel = 'subscription' and name = $1"
    newest = await pool.fetchval("select coalesce(max(id), 0) from alert")
    assert await pool.fetchval(query, wanted["name"]) == newest
    await client.delete(f"{PATH}/{wanted['name']}")
    assert await pool.fetchval(query, wanted["name"]) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "snr >"}, "rule: not an expression"),
        ({"rule": "matches('nowhere', 10)"}, "no reference catalogue 'nowhere'"),
        ({"rule": "stream == 'no such'"}, "no stream 'no such'"),
        ({"rule": "telescope in ['no such']"}, "no telescope 'no such'"),
        ({"rule": "snr > 8 and p_false > 1"}, "`p_false > 1.0` is never true; p_false is 0 to 1"),
        ({"rule": "snr > 5 and snr < 3"}, "rule: no alert can make it true"),
        ({"moc": "99/1"}, "moc: "),
        ({"schedule": "always"}, "schedule: "),
        ({"channel": "webhook"}, "needs an address"),
        ({"channel": "kafka", "target": "x"}, "leave it out"),
        ({"stamps": True}, "stamps: channel kafka cannot carry them"),
        ({"channel": "email", "target": "a b"}, "not an e-mail address"),
        ({"channel": "email", "target": "a@example.org\n"}, "not an e-mail address"),
        ({"channel": "digest", "target": "(a)b:c@example.org"}, "not an e-mail address"),
        ({"channel": "email", "target": "\u00e4@example.org"}, "not an e-mail address"),
        ({"channel": "webhook", "target": "file:///etc/passwd"}, "URL scheme"),
        ({"name": "voevent-v1"}, "must not end in -v"),
        ({"name": "Capital"}, "pattern"),
        ({"secret": "y" * 16}, "signed"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_what_is_not_valid_is_refused_with_words(
    client: httpx.AsyncClient, rows: Rows, changes: dict[str, Any], message: str
) -> None:
    await rows.image(0.0, telescope="LOFAR")
    answer = await client.post(PATH, json=new(**changes))
    assert answer.status_code == 400, answer.text
    assert message in answer.text


@pytest.mark.parametrize(
    ("secret", "changes", "message"),
    [
        ("y" * 16 + r"\ud800", {}, "secret: not Unicode"),
        ("y" * 16 + r"\u0000", {}, "secret: not Unicode"),
        ("y" * 15, {}, "secret: Value should have at least 16"),
        ("y" * 16, {"channel": "kafka", "target": ""}, "only what goes to a webhook"),
        ("y" * 16, {"name": "voevent-v1"}, "must not end in -v"),
        ("y" * 16, {"target": ""}, "needs an address"),
        ("y" * 16, {"channel": None}, "channel: "),
    ],
)
async def test_a_refusal_does_not_repeat_the_secret(
    client: httpx.AsyncClient, secret: str, changes: dict[str, Any], message: str
) -> None:
    wanted = new(channel="webhook", target="https://robot.example.org/") | changes
    body = orjson.dumps({"secret": "PLACE"} | wanted).replace(b"PLACE", secret.encode())
    answer = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert message in answer.text
    assert "yyyy" not in answer.text


async def test_parts_of_a_rule_that_do_nothing_are_told(client: httpx.AsyncClient) -> None:
    rule = {"rule": "snr > 8 and not p_false > 1"}
    told = ["`not p_false > 1.0` is always true; p_false is 0 to 1"]
    tried = await client.post(f"{PATH}/dry-run", json=rule)
    assert tried.json()["warnings"] == told, tried.text
    made = await client.post(PATH, json=new(**rule))
    assert made.json()["warnings"] == told, made.text
    name = made.json()["name"]
    assert (await client.get(f"{PATH}/{name}")).json()["warnings"] == told
    listed = {each["name"]: each["warnings"] for each in (await client.get(PATH)).json()}
    assert listed[name] == told


async def test_a_rule_that_this_version_refuses_is_listed_with_the_reason(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    name = (await client.post(PATH, json=new())).json()["name"]
    await pool.execute("update subscription set rule = 'gone > 8' where name = $1", name)
    (warning,) = (await client.get(f"{PATH}/{name}")).json()["warnings"]
    assert "gone" in warning


async def test_nobody_without_a_token_sees_or_makes_any(client: httpx.AsyncClient) -> None:
    client.headers.pop("Authorization")
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/dry-run"), ("GET", "/a"),
                         ("DELETE", "/a"), ("PATCH", "/a"), ("GET", "/a/replays")):  # fmt: skip
        assert (await client.request(method, PATH + path, json={})).status_code == 401, path
    assert (await client.post("/api/v1/alerts/replay", json={})).status_code == 401


async def test_everybody_sees_and_deletes_one_s_own(
    client: httpx.AsyncClient, postgres_url: str
) -> None:
    headers = {
        name: await token_of(name, postgres_url, scope)
        for scope, name in (("annotate", "anna"), ("annotate", "ben"), ("read", "reader"))
    }
    wanted = new()
    made = await client.post(PATH, json=wanted, headers=headers["anna"])
    assert made.status_code == 201, made.text
    assert (await client.get(PATH, headers=headers["anna"])).json() == [made.json()]
    assert (await client.get(PATH, headers=headers["ben"])).json() == []
    path = f"{PATH}/{wanted['name']}"
    assert (await client.get(path, headers=headers["ben"])).status_code == 404
    assert (await client.delete(path, headers=headers["ben"])).status_code == 404
    change = {"stamps": False}
    assert (await client.patch(path, json=change, headers=headers["ben"])).status_code == 404
    order = {"subscription": wanted["name"], "since": "2026-03-01", "until": "2026-03-02"}
    replay = await client.post("/api/v1/alerts/replay", json=order, headers=headers["ben"])
    assert replay.status_code == 404
    assert (await client.post(PATH, json=new(), headers=headers["reader"])).status_code == 403
    assert (await client.delete(path, headers=headers["anna"])).status_code == 204


async def test_one_has_a_limited_number(postgres_url: str) -> None:
    async with client_of(postgres_url, write_token=TOKEN, max_subscriptions=1) as client:
        client.headers.update(AUTHORIZED)
        for name in [each["name"] for each in (await client.get(PATH)).json()]:
            await client.delete(f"{PATH}/{name}")
        first = await client.post(PATH, json=new(channel="sse"))
        assert first.status_code == 201, first.text
        full = await client.post(PATH, json=new(channel="sse"))
        assert (full.status_code, "1 subscriptions already" in full.text) == (409, True)


async def test_a_dry_run_counts_what_it_would_have_got(
    client: httpx.AsyncClient, pool: asyncpg.Pool, rows: Rows
) -> None:
    told = await night(pool, rows)
    order = {"rule": f"stream == '{rows.stream}' and snr > 15", "days": 1}
    answer = await client.post(f"{PATH}/dry-run", json=order)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["n_wanted"], found["is_complete"]) == (3, True)
    assert found["n_alerts"] >= 4
    assert found["newest"] == [each.ivorn for each in told[:0:-1]]
    assert found["n_wanted_by_kind"] == {"new_source": 2, "retraction": 1}


async def test_a_replay_is_asked_for_once(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    wanted = new()
    await client.post(PATH, json=wanted)
    order = {
        "subscription": wanted["name"], "since": "2026-03-01T18:00:00Z",
        "until": "2026-03-02T06:00:00Z", "speed": 60,
    }  # fmt: skip
    made = await client.post("/api/v1/alerts/replay", json=order)
    assert made.status_code == 202, made.text
    assert (made.json()["n_sent"], made.json()["time_done"]) == (0, None)
    shown = await client.get(f"{PATH}/{wanted['name']}/replays")
    assert shown.json() == [made.json()]
    assert (await client.post("/api/v1/alerts/replay", json=order)).status_code == 409
    await pool.execute("update replay set time_done = now() where id = $1", made.json()["id"])
    backwards = order | {"until": "2026-03-01T17:00:00Z"}
    assert (await client.post("/api/v1/alerts/replay", json=backwards)).status_code == 400
    unknown = order | {"subscription": "nobody"}
    assert (await client.post("/api/v1/alerts/replay", json=unknown)).status_code == 404


async def test_server_sent_events_of_a_subscription(
    client: httpx.AsyncClient, pool: asyncpg.Pool, rows: Rows
) -> None:
    unknown = await client.get("/api/v1/alerts/stream?subscription=nobody")
    assert unknown.status_code == 404
    wanted = new(channel="sse")
    await client.post(PATH, json=wanted)
    ids = await deliver(pool, wanted["name"], await night(pool, rows))
    assert await hear(client, wanted["name"], 3) == ids[1:]


@pytest.mark.parametrize("beyond", [10**9, 10**18 - 1])
async def test_an_id_beyond_the_newest_gets_a_reset_and_the_stream_goes_on(
    client: httpx.AsyncClient, pool: asyncpg.Pool, rows: Rows, beyond: int
) -> None:
    wanted = new(channel="sse")
    await client.post(PATH, json=wanted)
    await night(pool, rows)
    newest = await pool.fetchval("select max(id) from alert")
    bearer = HTTPAuthorizationCredentials(scheme="Bearer", credentials=TOKEN)
    context = app_of(client).state.context
    events = await alerts._follow_subscription(context, bearer, wanted["name"], beyond)
    async with asyncio.timeout(60):
        greeting, reset = (await anext(events)).split(b"\n\n")[:2]
        assert greeting.endswith(b"id: %d" % newest)
        assert b"event: reset" in reset
        assert orjson.loads(reset.partition(b"data: ")[2])["last_event_id"] == beyond
        ids = await deliver(pool, wanted["name"], await night(pool, rows))
        heard = [await anext(events) for _ in ids[1:]]
    assert [int(each.split(b"\n")[0].removeprefix(b"id: ")) for each in heard] == ids[1:]
    await events.aclose()  # type: ignore[attr-defined]


async def deliver(pool: asyncpg.Pool, name: str, alerts: list[NewAlert]) -> list[int]:
    """Record all alerts but the first as delivered; return the ids of all."""
    ids = [
        await pool.fetchval("select id from alert where ivorn = $1", each.ivorn) for each in alerts
    ]
    await pool.executemany(
        "insert into delivery (alert_id, channel, subscriber, time_sent) "
        "values ($1, 'subscription', $2, clock_timestamp())",
        [(each, name) for each in ids[1:]],
    )
    return ids


async def hear(client: httpx.AsyncClient, name: str, n_alerts: int) -> list[int]:
    """Return the ids of the first alerts of a stream that may be followed for ever."""

    async def is_open() -> bool:
        return True

    database = app_of(client).state.context.database
    events = follow(database, name, 0, is_stopped=lambda: False, is_open=is_open)
    heard: list[int] = []
    async with asyncio.timeout(60):
        async for event in events:
            if b"event: alert" in event:
                heard.append(int(event.split(b"\n")[0].removeprefix(b"id: ")))
            if len(heard) == n_alerts:
                break
    await events.aclose()  # type: ignore[attr-defined]
    return heard


async def test_nobody_follows_the_subscription_of_another(
    client: httpx.AsyncClient, postgres_url: str
) -> None:
    wanted = new(channel="sse")
    await client.post(PATH, json=wanted)
    path = f"/api/v1/alerts/stream?subscription={wanted['name']}"
    refused = await client.get(path, headers=await token_of("ben", postgres_url))
    assert refused.status_code == 404
    reader = await client.get(path, headers=await token_of("reader", postgres_url, "read"))
    assert reader.status_code == 403
    client.headers.pop("Authorization")
    assert (await client.get(path)).status_code == 401


async def token_of(name: str, postgres_url: str, scope: str = "annotate") -> dict[str, str]:
    settings = Settings(postgres=PostgresSettings(url=postgres_url))
    unique = f"{name}-{uuid.uuid4().hex[:8]}"
    token = await asyncio.to_thread(issue_token, settings, unique, [scope], valid_days=1)
    return {"Authorization": f"Bearer {token}"}


async def test_a_name_that_is_used_again_shows_nothing_of_its_time_before(
    client: httpx.AsyncClient, pool: asyncpg.Pool, rows: Rows
) -> None:
    wanted = new(channel="sse")
    before = await night(pool, rows)
    await client.post(PATH, json=wanted)
    await deliver(pool, wanted["name"], before)
    await client.delete(f"{PATH}/{wanted['name']}")
    again = await client.post(PATH, json=wanted)
    assert again.json()["n_delivered"] == 0
    later = await night(pool, rows)
    ids = await deliver(pool, wanted["name"], later)
    assert await hear(client, wanted["name"], 1) == [ids[1]]


async def test_a_stream_ends_with_the_right_to_follow_it(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_CHECK_S", 0.0)
    answers = iter((True, True, False))

    async def is_open() -> bool:
        return next(answers)

    database = app_of(client).state.context.database
    async with asyncio.timeout(60):
        stream = follow(database, "none", 0, is_stopped=lambda: False, is_open=is_open)
        assert [event async for event in stream] == [b"retry: 1000\nid: 0\n\n"]
    assert next(answers, None) is None


async def test_the_stream_of_a_revoked_token_or_a_deleted_subscription_ends(
    client: httpx.AsyncClient, postgres_url: str, pool: asyncpg.Pool
) -> None:
    context = app_of(client).state.context
    for end in ("revoked", "deleted"):
        header = await token_of("anna", postgres_url)
        bearer = HTTPAuthorizationCredentials(
            scheme="Bearer", credentials=header["Authorization"].removeprefix("Bearer ")
        )
        wanted = new(channel="sse")
        await client.post(PATH, json=wanted, headers=header)
        may_follow = partial(alerts.may_follow, context, bearer, wanted["name"])
        assert await may_follow()
        if end == "revoked":
            await pool.execute(
                "update api_token set time_revoked = now() where token_sha256 = $1",
                hash_token(bearer.credentials),
            )
        else:
            await client.delete(f"{PATH}/{wanted['name']}")
        assert not await may_follow()
