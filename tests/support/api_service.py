"""The API of a test: inside the test's process, or as a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from api.app import create_app, create_context
from livetrap.stack.ports import choose_port
from runtime.settings import (
    ApiProcessSettings,
    ApiSettings,
    ArchiveSettings,
    KafkaSettings,
    PostgresSettings,
)
from tests.support.forked import ModuleProcess, start_module
from tests.support.server_process import server_folder

__all__ = ["app_of", "client_of", "server", "settings_for"]

_FIRST_ANSWER_S = 60


def settings_for(
    url: str,
    kafka: KafkaSettings | None = None,
    archive: ArchiveSettings | None = None,
    **api: Any,
) -> ApiProcessSettings:
    """Return settings with a database, perhaps a broker and an archive, and fields of `api`."""
    return ApiProcessSettings(
        postgres=PostgresSettings(url=url),
        kafka=kafka or KafkaSettings(),
        archive=archive or ArchiveSettings(),
        # A test writes a row and asks the same again, as often as it likes.
        api=ApiSettings(**{"shared_answer_s": 0, "requests_per_second": None, **api}),
    )


@asynccontextmanager
async def client_of(
    postgres_url: str,
    kafka: KafkaSettings | None = None,
    archive: ArchiveSettings | None = None,
    **api: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application inside the test; wait until its database is connected."""
    app = create_app(create_context(settings_for(postgres_url, kafka, archive, **api)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            async with asyncio.timeout(60):
                while (await client.get("/readyz")).is_error:  # noqa: ASYNC110  (it is polled)
                    await asyncio.sleep(0.02)
            yield client


def app_of(client: httpx.AsyncClient) -> FastAPI:
    """Return the application that a client of `client_of` talks to."""
    app = client._transport.app  # type: ignore[attr-defined]
    assert isinstance(app, FastAPI)
    return app


@asynccontextmanager
async def server(
    postgres_url: str, *, ready_path: str = "/readyz", fork: bool = True, **environment: str
) -> AsyncIterator[tuple[str, ModuleProcess]]:
    """Run `python -m api` on a free port; give its address and its process.

    Its settings are those of the environment, which `environment` changes. Without `fork` it has
    an interpreter of its own, and the limits of this process.
    """
    port = choose_port(None, taken=set())
    settings = {
        "LIVETRAP_POSTGRES__URL": postgres_url,
        "LIVETRAP_API__PORT": str(port),
        "LIVETRAP_API__REQUESTS_PER_SECOND": "1e9",
    }
    address = f"http://127.0.0.1:{port}"
    with server_folder() as folder:
        log = folder / "api.log"
        process = start_module(
            "api",
            environment=os.environ | settings | environment,
            log=log,
            fork=fork,
            service="api",
        )
        try:
            await _wait_until_ready(f"{address}{ready_path}")
            yield address, process
        except BaseException:
            sys.stderr.write(log.read_text())
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait)


async def _wait_until_ready(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(_FIRST_ANSWER_S):
        while True:
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
