"""Subscriptions over REST: who may, what is refused, dry run, replay."""

from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from tests.support.api_rows import Rows
from tests.support.api_service import client_of
from tests.support.subscription_requests import AUTHORIZED, PATH, TOKEN, new, night, token_of


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


async def test_what_was_refused_under_a_name_is_not_held_against_a_new_subscription(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    wanted = new(channel="webhook", target="https://robot.example.org/")
    refused = (
        "update subscriber set n_failures = 21, n_refusals = 20, disabled_reason = 'refused' "
        "where name = $1"
    )
    await pool.execute(
        "insert into subscriber (channel, name, since_alert_id) values ('subscription', $1, 0)",
        wanted["name"],
    )
    await pool.execute(refused, wanted["name"])
    made = await client.post(PATH, json=wanted)
    names = ("n_failures", "n_refusals", "disabled_reason")
    assert [made.json()[name] for name in names] == [0, 0, None]
    await pool.execute(refused, wanted["name"])
    shown = (await client.get(made.headers["location"])).json()
    assert [shown[name] for name in names] == [21, 20, "refused"]


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
