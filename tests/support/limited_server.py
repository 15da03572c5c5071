"""An application on a port, behind the limits that the API sets for connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from api.app.connections import limited_protocol
from runtime.settings import ApiSettings

__all__ = ["serve_limited"]


@asynccontextmanager
async def serve_limited(application: Any, **api: Any) -> AsyncIterator[int]:
    """Serve an application under some settings of the API, without its database; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application, http=limited_protocol(ApiSettings(**api)), ws="none", lifespan="off",
            log_config=None, timeout_graceful_shutdown=0,
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event)
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task
