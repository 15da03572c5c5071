"""`/vo/sia` and `/vo/datalink`: images by position, band and time, and what there is of each."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.errors import ProblemError
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.dali import (
    VOTABLE_RESPONSES,
    XML_TYPE,
    answer_availability,
    answer_error,
    describe_parameters,
    read_parameters,
    root_of,
    single,
    to_max_records,
    xml_responses,
)
from api.handlers.table_response import start_table
from api.steps.datalink import LINKS, describe_services, to_image_id, to_links
from api.steps.observations import to_question
from api.steps.tables.base import TableInfo
from api.steps.tables.votable_format import VoTableFormat
from api.steps.tap_answer import MAX_RECORDS, AnswerFormat, encode_answer, to_format
from api.steps.vosi import write_sia_capabilities
from api.storage.questions import fetch_rows, read_catalogue

__all__ = ["router"]

router = APIRouter(prefix="/vo", tags=["virtual observatory"])

_TIMEOUT_S = 30.0
_DEFAULT_RECORDS = 10_000
_MAX_IDS = 50
_IDENTIFIER = "obs_publisher_did"
_VIEW = "obscore"
_LINKS_TYPE = f"{VoTableFormat.media_type};content=datalink"
_PARAMETERS = describe_parameters(
    POS=("CIRCLE ra dec radius, RANGE or convex POLYGON, ICRS [deg]", "CIRCLE 123.4 10.5 0.5"),
    BAND=("Wavelength, one or two limits [m]", "1.9 2.1"),
    TIME=("MJD (UTC), one or two limits [d]", "61367.5 61368.5"),
    POL=("Stokes parameter", "I"),
    FOV=("Limits of the diameter of the field [deg]", "0 5"),
    SPATRES=("Limits of the major axis of the beam [arcsec]", "0 30"),
    SPECRP=("Limits of frequency over bandwidth", "10 +Inf"),
    EXPTIME=("Limits of the exposure [s]", "1 +Inf"),
    TIMERES=("Limits of the exposure [s]", "0 10"),
    ID=("Identifier of an image: obs_publisher_did", f"ivo://org.livetrap/image?{'0' * 64}"),
    COLLECTION=("Stream", "a"),
    FACILITY=("Telescope", "LOFAR"),
    INSTRUMENT=("Telescope", "LOFAR"),
    DPTYPE=("Kind of data", "image"),
    CALIB=("Level of calibration: 2", "2"),
    TARGET=("Stream", "a"),
    FORMAT=("Media type; retained images have one", "application/fits"),
    MAXREC=("Most rows; default 10 000", "100"),
    RESPONSEFORMAT=("votable, csv or parquet", "votable"),
)
_LINK_PARAMETERS = describe_parameters(
    ID=("obs_publisher_did or sha256 of an image; at most 50", "0" * 64)
)


@router.get(
    "/sia",
    summary="Simple Image Access 2.0",
    response_class=Response,
    responses=VOTABLE_RESPONSES,
    openapi_extra=_PARAMETERS,
)
async def search_images(request: Request, context: Context, client: ClientAddress) -> Response:
    """Return accepted images as rows of ObsCore, newest first: POS, BAND, TIME and so on.

    `access_url` is empty when the pixels are retained no longer.
    """
    return await _search(request, context, client)


@router.post(
    "/sia",
    summary="Simple Image Access 2.0",
    response_class=Response,
    responses=VOTABLE_RESPONSES,
    openapi_extra=_PARAMETERS,
)
async def post_search_images(
    request: Request, context: Context, client: ClientAddress
) -> Response:
    """Answer the same parameters from a form."""
    return await _search(request, context, client)


async def _search(request: Request, context: ApiContext, client: str) -> Response:
    try:
        given = await read_parameters(request)
        form = to_format(single(given, "RESPONSEFORMAT"))
        question = to_question(
            given,
            await read_catalogue(context.database),
            answer_format=_with_services(form, f"{root_of(request)}/vo"),
            max_records=to_max_records(given, default=_DEFAULT_RECORDS, most=MAX_RECORDS),
        )
        return await start_table(
            encode_answer(
                context.database,
                question,
                client=client,
                timeout_s=_TIMEOUT_S,
                links=await context.retention.links(root_of(request), question.translation.sql),
            ),
            media_type=form.media_types[0],
            file_name=f"livetrap-images.{form.suffix}",
        )
    except ValueError as error:
        return await answer_error(str(error))
    except ProblemError as error:
        return await answer_error(error.detail, error.status)


def _with_services(form: AnswerFormat, root: str) -> AnswerFormat:
    if form.suffix != VoTableFormat.suffix:
        return form
    services = describe_services(root, refers_to=_IDENTIFIER, with_links=True)
    return replace(form, build=lambda info: VoTableFormat(info, status="OK", services=services))


@router.get(
    "/sia/capabilities",
    summary="VOSI capabilities of SIA",
    response_class=Response,
    responses=xml_responses("<vosi:capabilities/>"),
)
async def get_sia_capabilities(request: Request) -> Response:
    """Return the addresses of SIA, SODA and DataLink."""
    return Response(write_sia_capabilities(f"{root_of(request)}/vo"), media_type=XML_TYPE)


@router.get(
    "/sia/availability",
    summary="VOSI availability of SIA",
    response_class=Response,
    responses=xml_responses("<vosi:availability/>"),
)
async def get_sia_availability(context: Context) -> Response:
    """Return whether the service answers a query now."""
    return await answer_availability(context)


@router.get(
    "/datalink",
    summary="What there is of an image (DataLink 1.1)",
    response_class=Response,
    responses=VOTABLE_RESPONSES,
    openapi_extra=_LINK_PARAMETERS,
)
async def get_links(request: Request, context: Context, client: ClientAddress) -> Response:
    """Return the links of each ID, at most 50: pixels, cutouts, measurements and noise."""
    return await _link(request, context, client)


@router.post(
    "/datalink",
    summary="What there is of an image (DataLink 1.1)",
    response_class=Response,
    responses=VOTABLE_RESPONSES,
    openapi_extra=_LINK_PARAMETERS,
)
async def post_links(request: Request, context: Context, client: ClientAddress) -> Response:
    """Answer the same parameters from a form."""
    return await _link(request, context, client)


async def _link(request: Request, context: ApiContext, client: str) -> Response:
    try:
        given = await read_parameters(request)
        wanted = _to_image_ids([value for value in given.get("ID", ()) if value])
        root = root_of(request)
        rows = await fetch_rows(
            context.database,
            "list_observed_images",
            client=client,
            timeout_s=_TIMEOUT_S,
            links=await context.retention.links(root, _VIEW),
            image_ids=list(wanted.values()),
        )
    except ValueError as error:
        return await answer_error(f"UsageFault: {error}")
    except ProblemError as error:
        return await answer_error(error.detail, error.status)
    found = {row["obs_id"]: row for row in rows}
    links = [link for each, key in wanted.items() for link in to_links(each, found.get(key), root)]
    body = await asyncio.to_thread(_write_links, links, f"{root}/vo", request.url.query)
    return Response(body, media_type=_LINKS_TYPE)


def _to_image_ids(identifiers: Sequence[str]) -> dict[str, str]:
    if len(identifiers) > _MAX_IDS:
        raise ValueError(f"ID: at most {_MAX_IDS} at a time")
    return {each: to_image_id(each) for each in identifiers}


def _write_links(links: Sequence[dict[str, Any]], root: str, query: str) -> bytes:
    services = describe_services(root, refers_to="ID", with_links=False)
    info = TableInfo("links", "LiveTrap: links of images", LINKS, query, version("livetrap"))
    table = VoTableFormat(info, status="OK", services=services)
    return table.header() + table.rows(links) + table.footer()
