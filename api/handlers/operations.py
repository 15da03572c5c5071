"""`/ledger`, `/slo` and what operators and machines ask: health, readiness, metrics."""

from collections import Counter
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.handlers.parameters import Reader
from api.models import LatencyStage, Ledger, Slo, StreamLedger

__all__ = ["probes", "router"]

router = APIRouter(prefix="/api/v1", tags=["operations"])
probes = APIRouter(include_in_schema=False)

_MOST_IMAGES = 20_000


@router.get("/ledger")
async def get_ledger(database: Reader) -> Ledger:
    """Account for every image."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    streams: dict[str, Counter[str]] = {}
    for row in await database.fetch("list_ledger_totals"):
        outcomes[row["outcome"]] += row["n_images"]
        streams.setdefault(row["stream"], Counter())[row["outcome"]] += row["n_images"]
        if row["reason"]:
            reasons[row["reason"]] += row["n_images"]
    return Ledger(
        total=outcomes.total(),
        outcomes=dict(outcomes),
        reasons=dict(reasons),
        streams=[
            StreamLedger(stream=name, outcomes=dict(counts)) for name, counts in streams.items()
        ],
    )


@router.get("/slo")
async def get_slo(
    database: Reader,
    window_minutes: Annotated[
        float, Query(gt=0, le=10_080, allow_inf_nan=False, description="How far back [min]")
    ] = 60.0,
) -> Slo:
    """Return how long each stage took lately."""
    rows = await database.fetch("get_latencies", 60 * window_minutes, _MOST_IMAGES)
    stages = [LatencyStage(**row) for row in rows]
    return Slo(window_minutes=window_minutes, stages=stages)


@router.get("/schemas/radio_transient")
async def get_notice_schema() -> Response:
    """Return the JSON Schema (2020-12) that every notice fulfils."""
    schema = files("schemas") / "json" / "radio_transient.schema.json"
    return Response(schema.read_bytes(), media_type="application/schema+json")


@probes.get("/healthz")
async def is_alive() -> PlainTextResponse:
    """Answer that the process lives."""
    return PlainTextResponse("ok\n")


@probes.get("/readyz")
async def is_ready(database: Reader) -> PlainTextResponse:
    """Answer whether questions can be answered: asks the database one."""
    await database.fetch("check_schema")
    return PlainTextResponse("ready\n")


@probes.get("/metrics")
async def get_metrics() -> Response:
    """Return the metrics of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
