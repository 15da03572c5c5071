"""Requests that say where they come from: believed of a proxy of the settings, and of it alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.support.api_service import server

# Ten requests are saved up, and there is one more a second.
N_ADDRESSES = 100
NAMES = ("X-Forwarded-For", "X-Real-IP", "Client-IP", "True-Client-IP", "Forwarded")


@asynccontextmanager
async def limited_server(url: str, proxies: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve one request of an address a second."""
    own = {"LIVETRAP_API__REQUESTS_PER_SECOND": "1", "LIVETRAP_API__PROXIES": proxies}
    async with (
        server(url, ready_path="/healthz", **own) as (address, _),
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield client


async def ask_at_once(client: httpx.AsyncClient, name: str, values: list[str]) -> list[int]:
    """Send a request with each value of a header; return the statuses."""
    asked = (client.get("/healthz", headers={name: each}) for each in values)
    return [answer.status_code for answer in await asyncio.gather(*asked)]


async def test_without_a_proxy_no_header_makes_another_address(postgres_url: str) -> None:
    async with limited_server(postgres_url, "[]") as client:
        for name in NAMES:
            forged = [f"192.0.2.{number}" for number in range(N_ADDRESSES)]
            if name == "Forwarded":
                forged = [f"for={address}" for address in forged]
            assert 429 in await ask_at_once(client, name, forged), name


async def test_behind_a_proxy_the_address_that_it_adds_counts(postgres_url: str) -> None:
    async with limited_server(postgres_url, '["127.0.0.1"]') as client:
        forged = [f"192.0.2.{number}, 203.0.113.9" for number in range(N_ADDRESSES)]
        statuses = await ask_at_once(client, "X-Forwarded-For", forged)
        other = await client.get("/healthz", headers={"X-Forwarded-For": "192.0.2.1, 203.0.113.8"})
    assert set(statuses) == {200, 429}
    assert other.status_code == 200
