"""Composition root of the API: routes, problems, the database, the page."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from types import FrameType

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware

from api import problems
from api.handlers import alerts, images, operations, sources, transients
from api.live import AlertStream
from api.metrics import REQUEST_SECONDS, REQUESTS
from api.storage import Database
from runtime.errors import FatalError, SettingsError
from runtime.logging import configure_logging, get_logger
from runtime.settings import ApiSettings, Settings, load_settings

__all__ = ["create_app", "main"]

_PREFIX = "/api/v1"
_WEB = files("api") / "web"
_CLOSE_TIMEOUT_S = 2
_DESCRIPTION = """
Transients found in a stream of radio images, the running catalogue behind them, and the alerts
about them. Reads need no token. Lists page by key: follow `next` until it is null. Errors are
`application/problem+json`. Positions are ICRS in degrees, times UTC.
"""


def create_app(settings: Settings) -> FastAPI:
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
        openapi_url=f"{_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.database = database
    app.state.alert_stream = stream
    app.state.systematic_position_error_deg = (
        settings.associate.systematic_position_error_arcsec / 3600
    )
    problems.install(app)
    app.middleware("http")(_measure)
    app.add_middleware(GZipMiddleware, minimum_size=2000)
    for router in (transients, sources, images, alerts, operations):
        app.include_router(router.router, prefix=_PREFIX)
    app.include_router(operations.probes)
    _add_pages(app)
    return app


async def _measure(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    started_s = time.perf_counter()
    response = await answer(request)
    route = getattr(request.scope.get("route"), "path", "none")
    REQUESTS.labels(route, str(response.status_code)).inc()
    REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started_s)
    return response


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(str(_WEB / "index.html"))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(str(_WEB / "docs.html"))

    app.mount("/web", StaticFiles(directory=str(_WEB)), name="web")


class _Server(uvicorn.Server):
    """A server whose streams end when it is told to."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.alert_stream.stop()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve until SIGTERM; exit 2 for a bad setting, 1 for anything else."""
    try:
        settings = load_settings()
        configure_logging("api", level=settings.metrics.log_level)
        _serve(settings)
    except FatalError as error:
        get_logger().error("service_failed", error=str(error))
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    get_logger().info("service_stopped")


def _serve(settings: Settings) -> None:
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
