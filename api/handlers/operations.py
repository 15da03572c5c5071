"""`/ledger`, `/slo`, the schema of notices, and the probes of operators."""

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.errors import ProblemError, not_found
from api.handlers.context import Context
from api.models.operations import LatencyStage, Ledger, QualityBounds, ServiceItem, Services, Slo
from api.steps.ledger import sum_ledger
from api.storage.programs import fetch_programs
from schemas.registry import find_version

__all__ = ["probes", "router"]

router = APIRouter(prefix="/api/v1", tags=["operations"])
probes = APIRouter(include_in_schema=False)

_MAX_IMAGES = 20_000
_SCHEMA_TYPE = "application/schema+json"


@router.get("/ledger", summary="Image accounting")
async def get_ledger(context: Context) -> Ledger:
    """Return how many images had which outcome, in total and by stream."""
    return sum_ledger(await context.database.fetch("list_ledger_totals"))


@router.get("/slo", summary="Latency percentiles of each stage")
async def get_slo(
    context: Context,
    window_minutes: Annotated[
        float,
        Query(
            gt=0,
            le=10_080,
            allow_inf_nan=False,
            description="Length of the window [min]",
        ),
    ] = 60.0,
) -> Slo:
    """Return latency percentiles of images and alerts within a window that ends now."""
    rows = await context.database.fetch(
        "get_latencies", window_s=60 * window_minutes, max_rows=_MAX_IMAGES
    )
    return Slo(window_minutes=window_minutes, stages=[LatencyStage(**row) for row in rows])


@router.get("/quality", summary="Bounds of the quality control")
async def get_quality_bounds(context: Context) -> QualityBounds:
    """Return between which bounds the noise of an image must be to be accepted.

    They are those of the settings that this API was started with, section ``extract``.
    """
    return QualityBounds(**context.rms_bounds.model_dump())


@router.get("/services", summary="Processes of this stack, and which are down")
async def list_services(context: Context) -> Services:
    """Return the processes of a one-machine stack; none where something else runs them."""
    programs = await fetch_programs(context.settings.supervisor)
    names = ServiceItem.model_fields
    return Services(
        items=[ServiceItem(**{name: getattr(item, name) for name in names}) for item in programs]
    )


@router.get(
    "/schemas/radio_transient",
    summary="JSON Schema of a notice",
    response_class=Response,
    responses={200: {"content": {_SCHEMA_TYPE: {}}, "description": "JSON Schema 2020-12"}},
)
async def get_notice_schema() -> Response:
    """Return the JSON Schema (2020-12) that every GCN-style notice conforms to."""
    schema = files("schemas") / "json" / "radio_transient.schema.json"
    return Response(schema.read_bytes(), media_type=_SCHEMA_TYPE)


@router.get("/schemas/ids/{schema_id}", summary="Avro schema of a message, by its id")
async def get_avro_schema(
    schema_id: Annotated[int, Path(ge=0, le=2**31 - 1, description="Id after the magic byte")],
) -> dict[str, str]:
    """Return the schema that messages with this id were written with, as a schema registry does.

    `/api/v1` can therefore be the `schema.registry.url` of a consumer of `alerts-avro-v1`.
    """
    version = find_version(schema_id)
    if version is None:
        raise not_found("schema", str(schema_id))
    return {"schema": version.read_text()}


@probes.get("/healthz")
async def is_alive() -> PlainTextResponse:
    """Answer that the process runs."""
    return PlainTextResponse("ok\n")


@probes.get("/readyz")
async def is_ready(context: Context) -> PlainTextResponse:
    """Answer whether the stack's processes run and the database answers a query."""
    down = [item for item in await fetch_programs(context.settings.supervisor) if item.is_down]
    if down:
        raise ProblemError(503, "; ".join(item.describe() for item in down))
    await context.database.fetch("check_schema")
    lag_s = context.database.replica_lag_s
    if lag_s > context.settings.max_replica_lag_s:
        raise ProblemError(
            503, f"the replica is {lag_s:.0f} s behind (LIVETRAP_POSTGRES__READ_URL)"
        )
    return PlainTextResponse("ready\n")


@probes.get("/metrics")
async def get_metrics(request: Request) -> Response:
    """Return the metrics of this process, but not to the world: a reverse proxy names clients."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        raise ProblemError(404, "metrics are for who reaches the process without a reverse proxy")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
