"""Requests without end of one address: the others, and those with a token, are answered."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from fastapi import FastAPI

from api.metrics import REQUESTS_REFUSED
from api.steps.request_limiter import RequestLimiter
from livetrap.operator.tokens import issue_token
from runtime.api_tokens import create_token
from runtime.settings import PostgresSettings, Settings
from tests.hostile.test_api_floods import Request, app
from tests.support.api_service import app_of, client_of

# Ten requests are saved up.
SLOW = 1.0
VALID = create_token()


async def never(_: str) -> bool:
    return False


async def test_an_address_has_its_rate_and_what_it_saved_up() -> None:
    limiter = RequestLimiter(4.0, never)
    waits_s = [await limiter.spend("192.0.2.1", None, 100.0) for _ in range(50)]
    assert waits_s == [0.0] * 40 + [0.25] * 10
    # What is refused costs nothing.
    assert await limiter.spend("192.0.2.1", None, 100.125) == 0.125
    assert [await limiter.spend("192.0.2.1", None, 100.25) for _ in range(2)] == [0.0, 0.25]
    assert await limiter.spend("192.0.2.2", None, 100.25) == 0.0
    waits_s = [await limiter.spend("192.0.2.1", None, 1e6) for _ in range(50)]
    assert waits_s.count(0.0) == 40


async def test_the_addresses_of_one_ipv6_network_are_one() -> None:
    limiter = RequestLimiter(1.0, never)
    waits_s = [await limiter.spend(f"2001:db8::{n:x}", None, 0.0) for n in range(1, 21)]
    assert waits_s.count(0.0) == 10
    assert await limiter.spend("2001:db8:0:1::1", None, 0.0) == 0.0


async def test_made_up_tokens_get_no_account_and_are_seldom_looked_up() -> None:
    asked: list[str] = []

    async def is_valid(token: str) -> bool:
        asked.append(token)
        return token == VALID

    limiter = RequestLimiter(8.0, is_valid)
    waits_s = [await limiter.spend("192.0.2.1", f"made-up-{n}", 0.0) for n in range(1000)]
    assert (waits_s.count(0.0), len(asked)) == (80, 10)
    # A token behind the same address is looked up a moment later, and once.
    assert await limiter.spend("192.0.2.1", VALID, 2.0) == 0.0
    waits_s = [await limiter.spend("192.0.2.1", VALID, 2.0) for _ in range(120)]
    assert (waits_s.count(0.0), len(asked)) == (79, 11)
    # It has one account, wherever it comes from.
    assert await limiter.spend("192.0.2.7", VALID, 2.0) > 0.0


async def refused_by(served: FastAPI, method: str, path: str, **asked: Any) -> Request:
    """Send until a request is refused; return it."""
    for _ in range(1000):
        request = await Request(method, path, **asked).answered_by(served)
        if request.status == 429:
            return request
    raise AssertionError("no request was refused")


async def test_a_refused_request_says_when_to_come_again() -> None:
    served, before = app(requests_per_second=SLOW), REQUESTS_REFUSED._value.get()
    refused = await refused_by(served, "GET", "/healthz")
    assert refused.headers[b"retry-after"] == b"1"
    assert json.loads(refused.body)["title"] == "Too many requests"
    assert b"content-security-policy" in refused.headers
    assert REQUESTS_REFUSED._value.get() == before + 1
    body = await refused_by(served, "POST", "/api/v1/monitors", chunks=3000)
    assert body.n_read == 0


@pytest.mark.parametrize("token", [VALID, "no token", ""], ids=["token", "text", "nothing"])
async def test_a_token_that_cannot_be_looked_up_counts_as_its_address(token: str) -> None:
    served = app(requests_per_second=SLOW)
    await refused_by(served, "GET", "/healthz", headers={"Authorization": f"Bearer {token}"})


async def test_a_flood_leaves_the_others_and_the_tokens_alone(postgres_url: str) -> None:
    settings = Settings(postgres=PostgresSettings(url=postgres_url))
    name = f"robot-{uuid.uuid4().hex[:8]}"
    token = await asyncio.to_thread(issue_token, settings, name, ["read"], valid_days=1)
    async with client_of(postgres_url, requests_per_second=SLOW) as client:
        served = app_of(client)
        await refused_by(served, "GET", "/healthz")
        robot = {"Authorization": f"Bearer {token}"}
        for _ in range(5):
            own = await Request("GET", "/healthz", headers=robot).answered_by(served)
            assert own.status == 200
        other = await Request("GET", "/healthz", host="192.0.2.7").answered_by(served)
        assert other.status == 200


async def test_any_number_is_answered_where_nothing_is_limited() -> None:
    limiter = RequestLimiter(None, never)
    assert {await limiter.spend("192.0.2.1", "x", 0.0) for _ in range(5000)} == {0.0}
