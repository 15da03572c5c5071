"""What the services of the Virtual Observatory share (DALI 1.1): parameters, errors, addresses."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import Response

from api.errors import RETRY_S, ProblemError
from api.handlers.context import ApiContext
from api.steps.tables.votable_format import VoTableFormat
from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS

__all__ = [
    "VOTABLE_RESPONSES",
    "XML_TYPE",
    "answer_availability",
    "answer_error",
    "describe_parameters",
    "read_parameters",
    "root_of",
    "single",
    "to_max_records",
    "xml_responses",
]

XML_TYPE = "application/xml"
_FORM = "application/x-www-form-urlencoded"
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_DOCUMENT = {VoTableFormat.media_type: {**_TEXT, "example": "<VOTABLE>...</VOTABLE>"}}
VOTABLE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A table", "content": _DOCUMENT},
    **{
        status: {"description": "INFO QUERY_STATUS is ERROR and says why", "content": _DOCUMENT}
        for status in (400, 404, 503)
    },
}


def xml_responses(example: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer in XML."""
    return {200: {"description": "XML", "content": {XML_TYPE: {**_TEXT, "example": example}}}}


def describe_parameters(**examples: tuple[str, str]) -> dict[str, Any]:
    """Return the part of a route's description with the parameters that it reads by itself.

    Parameters
    ----------
    **examples : (str, str)
        Description and example of each parameter.
    """
    parameters = [
        {
            "name": name, "in": "query", "required": False, "description": words,
            "schema": {"type": "string"}, "example": example,
        }
        for name, (words, example) in examples.items()
    ]  # fmt: skip
    return {"parameters": parameters}


async def read_parameters(request: Request) -> dict[str, list[str]]:
    """Return the parameters of a request, their names in capitals; those of a form go last.

    Parameters
    ----------
    request : Request
        GET, or POST of a form.

    Raises
    ------
    ProblemError
        400 for a body that is no form.
    """
    pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
        body = await request.body()
        if body and kind != _FORM:
            raise ProblemError(400, f"POST parameters as {_FORM}; uploads are not taken")
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.upper(), []).append(value)
    return found


def single(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    """Return the value of a parameter that has one at most; an empty one is none.

    Parameters
    ----------
    given : mapping
        Of `read_parameters`.
    name : str
        In capitals.

    Raises
    ------
    ValueError
        If it is given twice.
    """
    values = [value for value in given.get(name, ()) if value]
    if len(values) > 1:
        raise ValueError(f"{name}: given {len(values)} times; it has one value")
    return values[0] if values else None


def to_max_records(given: Mapping[str, Sequence[str]], *, default: int, most: int) -> int:
    """Return MAXREC.

    Parameters
    ----------
    given : mapping
        Of `read_parameters`.
    default, most : int
        Without it, and at most [rows].

    Raises
    ------
    ValueError
        If it is no whole number.
    """
    text = single(given, "MAXREC")
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("MAXREC: write a whole number of rows")
    return min(int(text[:10]), most)


async def answer_error(words: str, status: int = 400) -> Response:
    """Return an error as a VOTable.

    Parameters
    ----------
    words : str
        What is wrong and how to mend it.
    status : int
        HTTP status code.
    """
    body = await asyncio.to_thread(_write_error, words)
    headers = {"Retry-After": str(RETRY_S)} if status == 503 else None
    return Response(body, status, media_type=VoTableFormat.media_type, headers=headers)


def _write_error(words: str) -> bytes:
    from api.steps.tables.votable_document import write_error  # noqa: PLC0415  (slow to import)

    return write_error("LiveTrap", words)


def root_of(request: Request) -> str:
    """Return the address of this server, as the client knows it."""
    return str(request.base_url).rstrip("/")


async def answer_availability(context: ApiContext) -> Response:
    """Return the document of VOSI that says whether the database answers.

    Parameters
    ----------
    context : ApiContext
        Has the database.
    """
    note = ""
    try:
        await context.database.fetch("check_schema")
    except (TransientError, *UNAVAILABLE_ERRORS) as error:
        get_logger().warning("database_unavailable", error=repr(error))
        note = "<vosi:note>PostgreSQL does not answer; try again</vosi:note>"
    words = "false" if note else "true"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">'
        f"<vosi:available>{words}</vosi:available>{note}</vosi:availability>\n"
    )
    return Response(body, media_type=XML_TYPE)
