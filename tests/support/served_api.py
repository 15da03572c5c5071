"""An API on a port of its own inside the process of a test, for clients that block."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from api.app import create_app, create_context
from runtime.settings import KafkaSettings
from tests.support.api_service import settings_for

__all__ = ["served"]

_START_S = 60


@contextmanager
def served(postgres_url: str, kafka: KafkaSettings | None = None) -> Iterator[str]:
    """Give the address of a server that runs in a thread."""
    app = create_app(create_context(settings_for(postgres_url, kafka)))
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=server.run, name="served api")
    thread.start()
    try:
        address = _wait(server)
        yield address
    finally:
        server.should_exit = True
        thread.join()


def _wait(server: uvicorn.Server) -> str:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.started:
            port = server.servers[0].sockets[0].getsockname()[1]
            address = f"http://127.0.0.1:{port}"
            if httpx.get(f"{address}/readyz").is_success:
                return address
        time.sleep(0.05)
    raise TimeoutError(f"no answer within {_START_S} s")
