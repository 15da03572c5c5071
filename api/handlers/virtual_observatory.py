"""`/vo`: Simple Cone Search 1.03 on sources and transients, and VOSI 1.1."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.errors import ProblemError
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.dali import (
    VOTABLE_RESPONSES,
    XML_TYPE,
    answer_availability,
    root_of,
    xml_responses,
)
from api.models.base import Cone
from api.models.columns import CONE_SOURCES, CONE_TRANSIENTS, Column
from api.steps.catalogue import search_boxes, with_position_errors
from api.steps.registry_record import Publisher, write_record
from api.steps.tables.base import TableInfo
from api.steps.tables.votable_format import VoTableFormat
from api.steps.vosi import write_capabilities
from sky.plain_numbers import parse_number

__all__ = ["router"]

router = APIRouter(prefix="/vo", tags=["virtual observatory"])

_MAX_RECORDS, _DEFAULT_RECORDS = 50_000, 10_000
_N_MAIN, _N_CORE = 3, 13
_MEDIA_TYPE = VoTableFormat.media_type
_XML: dict[str, Any] = {"schema": {"type": "string"}}
_VOTABLE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "VOTable; an error is one whose INFO QUERY_STATUS is ERROR",
        "content": {_MEDIA_TYPE: {**_XML, "example": '<VOTABLE version="1.4">...</VOTABLE>'}},
    },
    503: VOTABLE_RESPONSES[503],
}
_Ra = Annotated[str | None, Query(alias="RA", description="ICRS [deg]", examples=["123.4"])]
_Dec = Annotated[str | None, Query(alias="DEC", description="ICRS [deg]", examples=["10.5"])]
_Radius = Annotated[
    str | None, Query(alias="SR", description="Radius [deg]; 0: no rows", examples=["0.5"])
]
_Verbosity = Annotated[
    str | None, Query(alias="VERB", description="1: main columns, 2: usual ones, 3: all")
]
_MaxRecords = Annotated[
    str | None,
    Query(alias="MAXREC", description="Most rows; default 10 000, at most 50 000; 0: no rows"),
]


async def _given(
    request: Request,
    ra: _Ra = None,
    dec: _Dec = None,
    radius: _Radius = None,
    verbosity: _Verbosity = None,
    max_records: _MaxRecords = None,
) -> dict[str, str]:
    """Return the parameters that are given; their names may be in lower case."""
    values = {"RA": ra, "DEC": dec, "SR": radius, "VERB": verbosity, "MAXREC": max_records}
    written = {name.upper(): value for name, value in request.query_params.items()}
    return written | {name: value for name, value in values.items() if value is not None}


_Given = Annotated[dict[str, str], Depends(_given)]


@router.get(
    "/scs",
    summary="Simple Cone Search on the running catalogue",
    response_class=Response,
    responses=_VOTABLE_RESPONSE,
)
async def search_sources(
    request: Request, context: Context, client: ClientAddress, given: _Given
) -> Response:
    """Return the sources in a cone; an address without RA, DEC and SR gets an error in words.

    Names of parameters may be written in lower case.
    """
    return await _search(request, context, client, given, name="sources", columns=CONE_SOURCES)


@router.get(
    "/scs/transients",
    summary="Simple Cone Search on transients",
    response_class=Response,
    responses=_VOTABLE_RESPONSE,
)
async def search_transients(
    request: Request, context: Context, client: ClientAddress, given: _Given
) -> Response:
    """Return the transients in a cone, newest first; parameters as of `/vo/scs`."""
    return await _search(
        request, context, client, given, name="transients", columns=CONE_TRANSIENTS
    )


async def _search(
    request: Request,
    context: ApiContext,
    client: str,
    given: Mapping[str, str],
    *,
    name: str,
    columns: tuple[Column, ...],
) -> Response:
    try:
        cone, limit = _to_cone(given), _to_limit(given)
        columns = columns[: _to_n_columns(given)]
    except ValueError as error:
        return await _answer_error(name, str(error))
    try:
        rows = await _fetch(context, client, name=name, cone=cone, limit=limit)
    except ProblemError as error:
        return await _answer_error(name, error.detail)
    words = f"{request.url.path}?{request.url.query}"
    info = TableInfo(name, f"LiveTrap: {name} in a cone", columns, words, version("livetrap"))
    body = await asyncio.to_thread(_write, info, rows, limit)
    file_name = f'inline; filename="livetrap-{name}.vot"'
    return Response(body, media_type=_MEDIA_TYPE, headers={"Content-Disposition": file_name})


async def _answer_error(name: str, words: str) -> Response:
    body = await asyncio.to_thread(_write_error, name, words)
    return Response(body, media_type=_MEDIA_TYPE)


def _write_error(name: str, words: str) -> bytes:
    from api.steps.tables.votable_document import write_error  # noqa: PLC0415  (slow to import)

    return write_error(f"LiveTrap: {name}", words)


async def _fetch(
    context: ApiContext, client: str, *, name: str, cone: Cone | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return one row more than wanted, if there is one."""
    if cone is None or not limit:
        return []
    where: dict[str, object]
    if name == "sources":
        query, where = "list_sources_in_cone", search_boxes(cone)
    else:
        query = "list_transients"
        where = {"ra": cone.ra, "dec": cone.dec, "radius_deg": cone.radius_deg}
    return await context.database.fetch_expensive(query, client=client, **where, limit=limit + 1)


def _write(info: TableInfo, rows: Sequence[Mapping[str, Any]], limit: int) -> bytes:
    table = VoTableFormat(info, status="OK", is_overflow=len(rows) > limit > 0)
    named = [{**row, "name": f"LiveTrap {row['stream']} {row['id']}"} for row in rows[:limit]]
    if info.name == "sources":
        named = [with_position_errors(row) for row in named]
    return table.header() + table.rows(named) + table.footer()


def _to_cone(given: Mapping[str, str]) -> Cone | None:
    """Return the cone; None for a radius of 0, which asks for the columns alone."""
    ra = _to_number(given, "RA", low=-360, high=360)
    dec = _to_number(given, "DEC", low=-90, high=90)
    radius_deg = _to_number(given, "SR", low=0, high=180)
    return Cone(ra % 360.0 % 360.0, dec, radius_deg) if radius_deg else None


def _to_number(given: Mapping[str, str], name: str, *, low: float, high: float) -> float:
    try:
        value = parse_number(given[name])
    except (KeyError, ValueError):
        raise ValueError(f"{name}: write a number of degrees from {low} to {high}") from None
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name}: {value} is not within {low} to {high} degrees")
    return value


def _to_limit(given: Mapping[str, str]) -> int:
    text = given.get("MAXREC", str(_DEFAULT_RECORDS))
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("MAXREC: write a whole number of rows")
    return min(int(text[:9]), _MAX_RECORDS)


def _to_n_columns(given: Mapping[str, str]) -> int | None:
    text = given.get("VERB", "2")
    if text not in {"1", "2", "3"}:
        raise ValueError("VERB: write 1, 2 or 3")
    return {"1": _N_MAIN, "2": _N_CORE, "3": None}[text]


@router.get(
    "/availability",
    summary="VOSI availability",
    response_class=Response,
    responses=xml_responses("<vosi:availability/>"),
)
async def get_availability(context: Context) -> Response:
    """Return whether the service answers a query now."""
    return await answer_availability(context)


@router.get(
    "/capabilities",
    summary="VOSI capabilities",
    response_class=Response,
    responses=xml_responses("<vosi:capabilities/>"),
)
async def get_capabilities(request: Request) -> Response:
    """Return which services of the IVOA there are, with their addresses."""
    return Response(write_capabilities(f"{root_of(request)}/vo"), media_type=XML_TYPE)


@router.get(
    "/record",
    summary="Record for a registry",
    response_class=Response,
    responses=xml_responses("<ri:Resource/>"),
)
async def get_record(request: Request, context: Context) -> Response:
    """Return this service as VOResource 1.1; 404 names the settings that it needs."""
    settings = context.settings
    values = {
        "registry_authority": settings.registry_authority,
        "registry_publisher": settings.registry_publisher,
        "registry_contact_name": settings.registry_contact_name,
        "registry_contact_email": settings.registry_contact_email,
    }
    missing = [f"LIVETRAP_API__{name.upper()}" for name, value in values.items() if not value]
    if missing:
        raise ProblemError(404, f"there is no record without {', '.join(missing)}")
    record = write_record(Publisher(*values.values()), root_of(request), datetime.now(UTC))
    return Response(record, media_type=XML_TYPE)
