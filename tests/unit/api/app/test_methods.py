"""HEAD, OPTIONS, other origins, parameters given twice: what needs no database."""

from functools import lru_cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from api.app import create_app, create_context
from api.handlers.caching import answer_immutable
from runtime.settings import ApiProcessSettings, ApiSettings


class Rows:
    """A database with one stream and no rows."""

    replica_lag_s = 0.0

    async def fetch(self, query: str, **_: object) -> list[dict[str, Any]]:
        return [{"name": "lofar"}] if query == "list_stream_names" else []

    async def fetch_expensive(self, query: str, **asked: object) -> list[dict[str, Any]]:
        return await self.fetch(query, **asked)


@lru_cache
def application(**api: Any) -> FastAPI:
    context = create_context(ApiProcessSettings(api=ApiSettings(**api)))
    object.__setattr__(context, "database", Rows())
    return create_app(context)


def client_of(**api: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application(**api), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api")


PATHS = ["/", "/docs", "/healthz", "/readyz", "/metrics", "/api/v1/openapi.json",
         "/api/v1/transients", "/api/v1/ledger", "/eta-v", "/web/app.js"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_a_body(path: str) -> None:
    async with client_of() as client:
        got, head = await client.get(path), await client.head(path)
    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]
    assert got.content


async def test_options_names_the_methods_of_a_path() -> None:
    async with client_of() as client:
        read = await client.options("/api/v1/transients")
        written = await client.options("/api/v1/monitors")
        deleted = await client.options("/api/v1/monitors/7")
        nothing = await client.options("/api/v1/nothing")
    assert (read.status_code, read.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert written.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert deleted.headers["allow"] == "GET, HEAD, DELETE, OPTIONS"
    assert nothing.is_error


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [(("*",), "*"), (("https://me.example",), "https://me.example"), ((), None)],
)
async def test_pages_of_other_origins_may_read(
    origins: tuple[str, ...], allowed: str | None
) -> None:
    headers = {"Origin": "https://me.example"}
    preflight = headers | {"Access-Control-Request-Method": "GET"}
    async with client_of(cors_origins=origins) as client:
        answer = await client.get("/api/v1/transients", headers=headers)
        asked = await client.options("/api/v1/transients", headers=preflight)
        writing = preflight | {"Access-Control-Request-Method": "POST"}
        refused = await client.options("/api/v1/monitors", headers=writing)
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert asked.headers.get("access-control-allow-origin") == allowed
    assert refused.is_error


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sources?stream=a&stream=b", ["stream", "more than once"]),
        ("transients?limit=1&limit=1", ["limit", "more than once"]),
        ("transients?since=60339.5", ["since", "mjd:"]),
        ("transients?since=2026-01-01T00:00:00+02:00", ["since", "%2B"]),
        ("images?until=mjd:x", ["until", "ISO 8601"]),
        ("sources?ra=NaN&dec=1&radius_deg=1", ["ra", "12h34m56s"]),
        ("sources?ra=1&dec=inf&radius_deg=1", ["dec", "-12d34m56s"]),
        ("sources?ra=1&dec=1&radius_deg=nan", ["radius_deg", "finite"]),
    ],
)
async def test_a_wrong_parameter_is_refused_with_words(query: str, words: list[str]) -> None:
    async with client_of() as client:
        answer = await client.get(f"/api/v1/{query}")
    assert answer.status_code == 400
    assert all(word in answer.json()["detail"] for word in words), answer.text
    assert "less than or equal" not in answer.text
    assert "Value error" not in answer.text


async def test_a_list_may_be_given_more_than_once() -> None:
    async with client_of() as client:
        answer = await client.get("/api/v1/sources/1?look_back_s=1&look_back_s=2")
    assert answer.status_code == 404  # there is no such source


@pytest.mark.parametrize("path", ["transients", "sources", "images", "alerts", "monitors"])
async def test_an_unknown_stream_is_a_404_that_lists_the_known_ones(path: str) -> None:
    async with client_of() as client:
        unknown = await client.get(f"/api/v1/{path}?stream=lofer")
        known = await client.get(f"/api/v1/{path}?stream=lofar")
    assert unknown.status_code == 404
    assert "no stream lofer; there are lofar" in unknown.json()["detail"]
    assert known.json()["items"] == []


def request_with(tag: str | None) -> Any:
    headers = [(b"if-none-match", tag.encode())] if tag else []
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


def test_an_answer_that_never_changes_is_sent_once() -> None:
    first = answer_immutable(request_with(None), b"body", "text/plain")
    tag = first.headers["etag"]
    for known in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
        again = answer_immutable(request_with(known), b"body", "text/plain")
        assert (again.status_code, again.body, again.headers["etag"]) == (304, b"", tag)
    other = answer_immutable(request_with(tag), b"other", "text/plain")
    assert (other.status_code, other.body) == (200, b"other")
