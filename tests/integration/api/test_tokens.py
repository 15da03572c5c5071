"""Tokens and the audit: who may write, who has written what, and what was before."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import asyncpg
import httpx
import pytest

from livetrap.operator.tokens import issue_token, list_tokens, revoke_token
from runtime.errors import SettingsError
from runtime.settings import PostgresSettings, Settings
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of

MONITORS = "/api/v1/monitors"


def new_name() -> str:
    return f"robot-{uuid.uuid4().hex[:12]}"


async def issue(
    url: str, name: str, scopes: Sequence[str], valid_days: float | None = None
) -> dict[str, str]:
    settings = Settings(postgres=PostgresSettings(url=url))
    token = await asyncio.to_thread(issue_token, settings, name, scopes, valid_days=valid_days)
    return {"Authorization": f"Bearer {token}"}


async def rows_named(url: str, name: str) -> list[dict[str, Any]]:
    settings = Settings(postgres=PostgresSettings(url=url))
    found = await asyncio.to_thread(list_tokens, settings)
    return [row for row in found if row["name"] == name]


async def try_monitor(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    wanted = {"stream": uuid.uuid4().hex, "ra": 10.0, "dec": 20.0}
    return await client.post(MONITORS, json=wanted, headers=headers)


async def test_a_token_with_the_scope_writes_and_its_use_is_noted(postgres_url: str) -> None:
    name = new_name()
    async with client_of(postgres_url) as client:
        headers = await issue(postgres_url, name, ["operate"], 1)
        (row,) = await rows_named(postgres_url, name)
        assert (row["state"], row["scopes"], row["time_last_used"]) == ("valid", ["operate"], None)
        assert (await try_monitor(client, headers)).status_code == 201
        (row,) = await rows_named(postgres_url, name)
        assert row["time_last_used"] > row["time_created"]


async def test_the_token_itself_is_stored_nowhere(postgres_url: str) -> None:
    name = new_name()
    headers = await issue(postgres_url, name, ["read"])
    token = headers["Authorization"].removeprefix("Bearer ")
    connection = await asyncpg.connect(postgres_url)
    try:
        stored = await connection.fetchval(
            "select (select api_token::text from api_token where name = $1)"
            " || (select audit::text from audit where object = 'api_token'"
            " and row_after ->> 'name' = $1)",
            name,
        )
    finally:
        await connection.close()
    assert name in stored
    assert "command line: " in stored
    assert token not in stored
    assert "token_sha256" not in stored


@pytest.mark.parametrize("scopes", [["read"], ["annotate"], ["read", "annotate"]])
async def test_a_token_without_the_scope_is_refused(postgres_url: str, scopes: list[str]) -> None:
    name = new_name()
    async with client_of(postgres_url) as client:
        answer = await try_monitor(client, await issue(postgres_url, name, scopes))
        assert answer.status_code == 403
        assert name in answer.json()["detail"]
        assert "operate" in answer.json()["detail"]


async def test_an_expired_or_revoked_token_is_refused_and_says_which(postgres_url: str) -> None:
    name = new_name()
    settings = Settings(postgres=PostgresSettings(url=postgres_url))
    async with client_of(postgres_url) as client:
        old = await issue(postgres_url, name, ["operate"], -1.0)
        expired = await try_monitor(client, old)
        await asyncio.to_thread(revoke_token, settings, name)
        revoked = await try_monitor(client, old)
        unknown = await try_monitor(client, {"Authorization": "Bearer livetrap_x"})
        for answer, word in ((expired, "expired"), (revoked, "revoked"), (unknown, "wrong")):
            assert answer.status_code == 401
            assert word in answer.json()["detail"]
        assert [row["state"] for row in await rows_named(postgres_url, name)] == ["revoked"]


async def test_a_name_has_one_token_in_use(postgres_url: str) -> None:
    name = new_name()
    settings = Settings(postgres=PostgresSettings(url=postgres_url))
    await issue(postgres_url, name, ["read"])
    with pytest.raises(SettingsError, match=f"tokens revoke {name}"):
        await issue(postgres_url, name, ["read"])
    await asyncio.to_thread(revoke_token, settings, name)
    await issue(postgres_url, name, ["operate"])
    states = [row["state"] for row in await rows_named(postgres_url, name)]
    assert states == ["valid", "revoked"]
    with pytest.raises(SettingsError, match="tokens list"):
        await asyncio.to_thread(revoke_token, settings, new_name())


async def test_the_audit_has_every_write_and_what_was_before(postgres_url: str) -> None:
    name = new_name()
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        headers = await issue(postgres_url, name, ["operate"])
        wanted = {"stream": rows.stream, "ra": 10.0, "dec": 20.0}
        first = (await client.post(MONITORS, json=wanted, headers=headers)).json()
        named = {**wanted, "name": "Cyg A"}
        for _ in range(2):  # the second changes nothing
            await client.post(MONITORS, json=named, headers=headers)
        await client.delete(f"{MONITORS}/{first['id']}", headers=headers)
        asked = {"actor": name, "limit": "2"}
        page = (await client.get("/api/v1/audit", params=asked, headers=headers)).json()
        rest = {**asked, "cursor": page["next"]}
        page["items"] += (await client.get("/api/v1/audit", params=rest, headers=headers)).json()[
            "items"
        ]
        deleted, updated, inserted = page["items"]
        assert [deleted["action"], updated["action"], inserted["action"]] == [
            "delete", "update", "insert",
        ]  # fmt: skip
        assert {each["object"] for each in page["items"]} == {"monitor"}
        assert {each["object_id"] for each in page["items"]} == {str(first["id"])}
        assert (inserted["row_before"], deleted["row_after"]) == (None, None)
        assert updated["row_before"]["name"] == ""
        assert updated["row_after"]["name"] == deleted["row_before"]["name"] == "Cyg A"


async def test_the_audit_needs_the_scope_of_operators(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        assert (await client.get("/api/v1/audit")).status_code == 401
        reader = await issue(postgres_url, new_name(), ["annotate"])
        assert (await client.get("/api/v1/audit", headers=reader)).status_code == 403
