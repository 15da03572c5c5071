"""Composition root of the API: routes, problems, the database, the page."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from types import FrameType

import uvicorn
from fastapi import Depends, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from api import middleware, problems
from api.handlers import alerts, images, monitors, operations, page, sources, transients
from api.handlers.parameters import refuse_unknown
from api.live import AlertStream
from api.problems import PROBLEM_RESPONSES
from api.storage import Database
from runtime.errors import SettingsError
from runtime.logging import get_logger
from runtime.process import run_service
from runtime.settings import ApiProcessSettings, ApiSettings
from runtime.stop_flag import StopFlag

__all__ = ["create_app", "main"]

_CLOSE_TIMEOUT_S = 2
_DESCRIPTION = """
Transients found in a stream of radio images, the running catalogue behind them, and the alerts
about them. Reads need no token. Lists page by key: follow `next` until it is null. Errors are
`application/problem+json`. Positions are ICRS in degrees, times UTC.
"""


def create_app(settings: ApiProcessSettings) -> FastAPI:
    """Return the application; it connects to PostgreSQL when it starts."""
    database = Database(settings.postgres)
    stream = AlertStream(database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(database.connect_when_there()),
            asyncio.create_task(stream.run()),
        ]
        yield
        stream.stop()
        for task in tasks:
            task.cancel()
        await database.aclose()

    app = FastAPI(
        title="LiveTrap",
        version=version("livetrap"),
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.database = database
    app.state.alert_stream = stream
    app.state.systematic_position_error_deg = (
        settings.associate.systematic_position_error_arcsec / 3600
    )
    app.state.write_token = settings.api.write_token
    app.state.max_monitors = settings.api.max_monitors
    app.state.look_backs_s = settings.api.look_backs_s
    problems.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=4)
    middleware.install(app)
    for resource in (transients, sources, images, alerts, monitors, operations):
        app.include_router(
            resource.router, dependencies=[Depends(refuse_unknown)], responses=PROBLEM_RESPONSES
        )
    app.include_router(operations.probes)
    page.install(app)
    return app


class _Server(uvicorn.Server):
    """A server whose streams end when it is told to."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.alert_stream.stop()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve until SIGTERM; exit 2 for a bad setting, 1 for anything else."""
    run_service("api", ApiProcessSettings, _serve)


def _serve(settings: ApiProcessSettings, _: StopFlag) -> None:
    """Serve; uvicorn hears the signals itself and passes them on to the flag when it is done."""
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_CLOSE_TIMEOUT_S,
        server_header=False,
    )
    listener = _listen(settings.api)
    get_logger().info("service_started", host=settings.api.host, port=listener.getsockname()[1])
    _Server(config).run(sockets=[listener])


def _listen(settings: ApiSettings) -> socket.socket:
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=512,
        )
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port}: {error} "
            "(LIVETRAP_API__HOST, LIVETRAP_API__PORT)"
        ) from error
