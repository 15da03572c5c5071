"""`/vo/tap`: Table Access Protocol 1.1, answered at once; jobs are in `tap_jobs`."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.errors import AdqlError, ProblemError
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.dali import (
    VOTABLE_RESPONSES,
    XML_TYPE,
    answer_availability,
    answer_error,
    read_parameters,
    root_of,
    single,
    to_max_records,
    xml_responses,
)
from api.handlers.table_response import start_table
from api.steps.adql.translator import Translator
from api.steps.tap_answer import FORMATS, MAX_RECORDS, Question, encode_answer, to_format
from api.steps.tap_examples import write_examples
from api.steps.vosi import write_tables, write_tap_capabilities
from api.storage.database import Database
from api.storage.questions import read_catalogue

__all__ = ["router", "to_question"]

router = APIRouter(prefix="/vo/tap", tags=["virtual observatory"])

_SYNC_TIMEOUT_S = 30.0
_DEFAULT_RECORDS = 100_000
_LANGUAGES = {"ADQL", "ADQL-2.0", "ADQL-2.1"}
_XHTML = "application/xhtml+xml"
_XHTML_EXAMPLE = {"schema": {"type": "string"}, "example": "<html>...</html>"}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **VOTABLE_RESPONSES,
    200: {
        "description": "A table in the format of RESPONSEFORMAT",
        "content": {
            each.media_types[0]: {"schema": {"type": "string"}, "example": each.name}
            for each in FORMATS
        },
    },
}


@router.get("/sync", summary="Answer a query of ADQL", response_class=Response, responses=_ANSWERS)
async def query_sync(request: Request, context: Context, client: ClientAddress) -> Response:
    """Answer QUERY (LANG=ADQL) within 30 s, at most MAXREC rows, in the RESPONSEFORMAT wanted."""
    return await _query(request, context, client)


@router.post(
    "/sync", summary="Answer a query of ADQL", response_class=Response, responses=_ANSWERS
)
async def post_query_sync(request: Request, context: Context, client: ClientAddress) -> Response:
    """Answer the same parameters from a form."""
    return await _query(request, context, client)


async def _query(request: Request, context: ApiContext, client: str) -> Response:
    try:
        given = await read_parameters(request)
        question = await to_question(context.database, context.translator, given, client=client)
        return await start_table(
            encode_answer(
                context.database,
                question,
                client=client,
                timeout_s=_SYNC_TIMEOUT_S,
                links=await context.retention.links(root_of(request), question.translation.sql),
            ),
            media_type=question.answer_format.media_types[0],
            file_name=f"livetrap-result.{question.answer_format.suffix}",
        )
    except ValueError as error:
        return await answer_error(str(error))
    except ProblemError as error:
        return await answer_error(error.detail, error.status)


async def to_question(
    database: Database,
    translator: Translator,
    given: Mapping[str, Sequence[str]],
    *,
    client: str | None = None,
) -> Question:
    """Return what parameters of TAP ask.

    Parameters
    ----------
    database : Database
        Knows the tables.
    translator : Translator
        Translates the query.
    given : mapping
        Of `read_parameters`.
    client : str or None
        Address of who asks; None: a job.

    Raises
    ------
    ValueError
        If a parameter is missing or wrong.
    ProblemError
        503 if the address asks too much at a time.
    """
    if single(given, "UPLOAD") is not None:
        raise AdqlError("UPLOAD: tables are not taken")
    language = single(given, "LANG") or "ADQL"
    if language.upper() not in _LANGUAGES:
        raise AdqlError(f"LANG: {language} is not spoken here; write ADQL")
    if (single(given, "REQUEST") or "doQuery") != "doQuery":
        raise AdqlError("REQUEST: write doQuery")
    query = single(given, "QUERY")
    if query is None:
        raise AdqlError("QUERY: write a SELECT; /vo/tap/tables lists what can be asked")
    wanted = to_format(single(given, "RESPONSEFORMAT") or single(given, "FORMAT"))
    limit = to_max_records(given, default=_DEFAULT_RECORDS, most=MAX_RECORDS)
    catalogue = await read_catalogue(database)
    translation = await translator.translate(query, catalogue, client=client)
    return Question(query, translation, wanted, limit)


@router.get(
    "/tables",
    summary="Tables that can be asked",
    response_class=Response,
    responses=xml_responses("<vosi:tableset/>"),
)
async def get_tables(context: Context) -> Response:
    """Return tables, columns, units and UCDs, as TAP_SCHEMA has them."""
    body = write_tables(await read_catalogue(context.database))
    return Response(body, media_type=XML_TYPE)


@router.get(
    "/examples",
    summary="Queries to begin with",
    response_class=Response,
    responses={200: {"description": "XHTML with RDFa", "content": {_XHTML: _XHTML_EXAMPLE}}},
)
async def get_examples() -> Response:
    """Return queries that clients offer to who writes one (DALI 1.1, section 2.3)."""
    return Response(write_examples(), media_type=_XHTML)


@router.get(
    "/capabilities",
    summary="VOSI capabilities of TAP",
    response_class=Response,
    responses=xml_responses("<vosi:capabilities/>"),
)
async def get_tap_capabilities(request: Request) -> Response:
    """Return languages, formats and limits."""
    return Response(write_tap_capabilities(f"{root_of(request)}/vo"), media_type=XML_TYPE)


@router.get(
    "/availability",
    summary="VOSI availability of TAP",
    response_class=Response,
    responses=xml_responses("<vosi:availability/>"),
)
async def get_tap_availability(context: Context) -> Response:
    """Return whether the service answers a query now."""
    return await answer_availability(context)
