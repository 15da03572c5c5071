"""The application and its server: routes, errors, database, page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import version
from types import FrameType

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from api.app import middleware, openapi, problem_details
from api.app.connections import limited_protocol
from api.handlers import (
    alerts,
    annotations,
    archived_sources,
    audit,
    coverage,
    cutouts,
    image_access,
    image_parts,
    images,
    lightcurves,
    monitors,
    observations,
    operations,
    operator_actions,
    references,
    rules,
    search,
    soda,
    source_columns,
    sources,
    stamps,
    subscriptions,
    tap,
    tap_jobs,
    transients,
    virtual_observatory,
    web_page,
)
from api.handlers.authorization import is_valid_token
from api.handlers.context import ApiContext
from api.handlers.parameters import ParameterCheck
from api.steps.adql.translator import Translator
from api.steps.alert_stream import AlertStream
from api.steps.request_limiter import RequestLimiter
from api.steps.statistics_copy import StatisticsCopy
from api.steps.stream_limiter import StreamLimiter
from api.steps.tap_jobs import TapJobs
from api.storage.budget import ClientBudget
from api.storage.database import Database
from api.storage.pixels import ImagePixels
from api.storage.retained_images import Retention
from runtime.background import keep_running
from runtime.image_store import ImageStore
from runtime.listening import create_listener
from runtime.process import log_started, run_service
from runtime.settings import ApiProcessSettings
from runtime.stop_flag import StopFlag

__all__ = ["create_app", "create_context", "main"]

_CLOSE_TIMEOUT_S = 2
# Of images that were asked for last, decoded.
_PIXEL_BYTES = 128 << 20
_CUTOUTS_PER_HOST, _WAITING_CUTOUTS, _CUTOUT_WAIT_S = 2, 16, 15.0
_DESCRIPTION = """
Transients found in a stream of radio images, the running catalogue of sources, and the alerts
about them. Reading needs no token. Lists are paged by key: follow `next` until it is null. Errors
are `application/problem+json`. Positions are ICRS in degrees, times are UTC.
"""


def create_context(settings: ApiProcessSettings) -> ApiContext:
    """Return what the handlers share; nothing is connected yet."""
    database = Database(settings.postgres, settings.api)
    archive = None if settings.archive.url is None else ImageStore(settings.archive)
    translator = Translator()
    retention = Retention(settings.kafka, has_archive=archive is not None)
    return ApiContext(
        database=database,
        alert_stream=AlertStream(database),
        statistics_copy=StatisticsCopy(database, settings.api.statistics_refresh_s),
        streams=StreamLimiter(
            total=settings.api.max_alert_streams, per_host=settings.api.max_alert_streams_per_host
        ),
        settings=settings.api,
        kafka=settings.kafka,
        pixels=ImagePixels(settings.kafka, archive, max_bytes=_PIXEL_BYTES),
        pixel_budget=ClientBudget(
            running=_CUTOUTS_PER_HOST,
            waiting=_WAITING_CUTOUTS,
            wait_s=_CUTOUT_WAIT_S,
            questions="cutouts",
        ),
        retention=retention,
        translator=translator,
        tap_jobs=TapJobs(database, partial(tap.to_question, database, translator), retention),
        rms_bounds=settings.extract,
    )


def create_app(context: ApiContext) -> FastAPI:
    """Return the application; it connects to PostgreSQL when it starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        works = {
            "connecting_failed": context.database.connect,
            "alert_stream_failed": context.alert_stream.run,
            "statistics_copy_failed": context.statistics_copy.run,
            "tap_jobs_failed": context.tap_jobs.run,
        }
        tasks = [
            asyncio.create_task(keep_running(work, failure=failure))
            for failure, work in works.items()
        ]
        yield
        context.alert_stream.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT_S)
        await context.database.aclose()
        await asyncio.to_thread(context.pixels.close)
        await context.retention.aclose()

    app = FastAPI(
        title="LiveTrap",
        version=version("livetrap"),
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_name_of,
        lifespan=lifespan,
        routes=_make_routes(),
    )
    app.state.context = context
    problem_details.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=4)
    middleware.install(
        app,
        cors_origins=context.settings.cors_origins,
        shared_answer_s=context.settings.shared_answer_s,
        limiter=RequestLimiter(
            context.settings.requests_per_second, partial(is_valid_token, context)
        ),
    )
    web_page.install(app)
    openapi.install(app)
    return app


def _name_of(route: APIRoute) -> str:
    return route.name


@cache
def _make_routes() -> list[BaseRoute]:
    """Return the routes of all applications of this process, which know nothing of them.

    FastAPI makes each route ready when it first looks at it: half a second for all of them.
    """
    made = APIRouter(generate_unique_id_function=_name_of)
    check = Depends(ParameterCheck())
    # Before the route of one alert, whose path parameter takes everything.
    made.include_router(subscriptions.replays, responses=problem_details.PROBLEM_RESPONSES)
    for resource in (
        transients,
        source_columns,  # before one source, whose path it has
        sources,
        archived_sources,
        lightcurves,
        annotations,
        images,
        image_parts,
        cutouts,
        stamps,
        observations,
        references,
        search,
        alerts,
        monitors,
        audit,
        operator_actions,
        operations,
        subscriptions,
        rules,
    ):
        made.include_router(
            resource.router,
            dependencies=[check],
            responses=problem_details.PROBLEM_RESPONSES,
        )
    for service in (virtual_observatory, tap, tap_jobs, image_access, soda, coverage):
        made.include_router(service.router, responses=problem_details.PROBLEM_RESPONSES)
    made.include_router(operations.probes)
    return made.routes


class _Server(uvicorn.Server):
    """A server that ends the alert streams when it receives a signal to stop."""

    def __init__(self, config: uvicorn.Config, alert_stream: AlertStream) -> None:
        super().__init__(config)
        self._alert_stream = alert_stream

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._alert_stream.stop()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve until SIGTERM; exit 2 for a bad setting, 1 for anything else."""
    run_service("api", ApiProcessSettings, _serve)


def _serve(settings: ApiProcessSettings, _: StopFlag) -> None:
    """Serve; uvicorn handles the signals and passes them on to the flag when it has stopped."""
    context = create_context(settings)
    config = uvicorn.Config(
        create_app(context),
        http=limited_protocol(settings.api),
        ws="none",
        proxy_headers=bool(settings.api.proxies),
        forwarded_allow_ips=list(settings.api.proxies),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_CLOSE_TIMEOUT_S,
        server_header=False,
    )
    listener = create_listener(
        settings.api.host, settings.api.port, settings="LIVETRAP_API__HOST, LIVETRAP_API__PORT"
    )
    log_started(settings, host=settings.api.host, port=listener.getsockname()[1])
    _Server(config, context.alert_stream).run(sockets=[listener])
