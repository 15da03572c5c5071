"""Error answers as problem details (RFC 9457): what is wrong, where, and how to mend it."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.errors import RETRY_S, ProblemError
from api.handlers.dali import answer_error
from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS

__all__ = ["PROBLEM_RESPONSES", "install", "to_problem"]

_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    413: "Content too large",
    429: "Too many requests",
    500: "Internal error",
    503: "Service unavailable",
}
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_S)}}
# Clients of the Virtual Observatory read errors of these from a VOTable (DALI 1.1, section 4.4).
_TABLE_SERVICES = ("/vo/scs", "/vo/tap", "/vo/sia", "/vo/datalink")
_SCHEMA_ERRORS = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)

_PROBLEM = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "What is wrong and how to mend it"},
                "instance": {"type": "string"},
            },
        },
        "example": {
            "type": "about:blank",
            "title": "Bad request",
            "status": 400,
            "detail": "a cone needs all of ra, dec and radius_deg, in degrees",
            "instance": "/api/v1/sources",
        },
    }
}
# For openapi.json; with a default there, FastAPI adds no 422, which this API never answers.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter is wrong", "content": _PROBLEM},
    503: {
        "description": "PostgreSQL is unavailable, or too much is asked at once; try again",
        "content": _PROBLEM,
    },
    "default": {"description": "Any other error", "content": _PROBLEM},
}


def install(app: FastAPI) -> None:
    """Answer every error of `app` with problem details."""
    app.add_exception_handler(ProblemError, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid_parameters)
    app.add_exception_handler(HTTPException, _answer_http_error)
    for kind in (TransientError, *UNAVAILABLE_ERRORS, *_SCHEMA_ERRORS, asyncpg.QueryCanceledError):
        app.add_exception_handler(kind, _answer_unavailable)
    app.add_exception_handler(asyncpg.DataError, _answer_unusable_value)
    app.add_exception_handler(Exception, _answer_internal_error)


def to_problem(status: int, detail: str, path: str) -> JSONResponse:
    """Return an error answer; `detail` says what is wrong and how to mend it."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "instance": path,
    }
    return JSONResponse(
        body,
        status_code=status,
        headers=_HEADERS.get(status),
        media_type="application/problem+json",
    )


def _answer(request: Request, status: int, detail: str) -> JSONResponse:
    return to_problem(status, detail, request.url.path)


async def _answer_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    if error.status == 503:
        return await _answer_later(request, error.detail)
    return _answer(request, error.status, error.detail)


async def _answer_invalid_parameters(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    parts = [
        f"{_to_name(each['loc'])}: {each['msg'].removeprefix('Value error, ')}{_quote(each)}"
        for each in error.errors()
    ]
    return _answer(request, 400, "; ".join(parts))


def _quote(defect: Mapping[str, Any]) -> str:
    """Return what was given, but no secret: a whole body may have one."""
    given = defect.get("input")
    if isinstance(given, Mapping) or "secret" in defect["loc"]:
        return ""
    return f" (got {given!r})"


def _to_name(place: tuple[int | str, ...]) -> str:
    """Return the name of a parameter or field, without the validators that it passed."""
    parts = [str(part) for part in place[1:]]
    return ".".join(part for part in parts if not part.startswith("function-"))


async def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail
    if error.status_code == 404:
        detail = f"there is no path {request.url.path}; /docs lists the paths of this API"
    return _answer(request, error.status_code, detail)


async def _answer_unavailable(request: Request, error: Exception) -> Response:
    if isinstance(error, _SCHEMA_ERRORS):
        detail = f"the database schema is not of this version: {error}; run `livetrap migrate`"
    elif isinstance(error, asyncpg.QueryCanceledError):
        detail = "the query took too long; narrow it (a cone, a stream, a shorter time range)"
    elif isinstance(error, ValueError):  # asyncpg's DataError is an InterfaceError too
        return await _answer_unusable_value(request, error)
    else:
        detail = f"PostgreSQL is unavailable: {str(error) or repr(error)}"
    get_logger().warning("request_failed", path=request.url.path, detail=detail)
    return await _answer_later(request, detail)


async def _answer_later(request: Request, detail: str) -> Response:
    """Say that it would work at another time, in the words of the service."""
    if request.url.path.startswith(_TABLE_SERVICES):
        return await answer_error(detail, 503)
    return _answer(request, 503, detail)


async def _answer_unusable_value(request: Request, error: Exception) -> JSONResponse:
    return _answer(request, 400, f"PostgreSQL cannot use the value of a parameter: {error}")


async def _answer_internal_error(request: Request, error: Exception) -> JSONResponse:
    get_logger().error("request_crashed", path=request.url.path, error=repr(error))
    return _answer(request, 500, "internal error; the log of the service has the details")
