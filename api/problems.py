"""Errors as RFC 9457 problems: what is wrong, where, and how to mend it."""

from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import AWAY_ERRORS

__all__ = ["PROBLEM_RESPONSES", "ProblemError", "install", "not_found"]

_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    500: "Internal error",
    503: "Not ready",
}
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}


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
# For openapi.json; with a default there, FastAPI adds no 422, which never leaves us.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter is wrong", "content": _PROBLEM},
    503: {"description": "PostgreSQL is away; try again", "content": _PROBLEM},
    "default": {"description": "Any other error", "content": _PROBLEM},
}


class ProblemError(Exception):
    """An answer that is an error.

    Parameters
    ----------
    status : int
        HTTP status code.
    detail : str
        What is wrong and how to mend it.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def not_found(what: str, name: object) -> ProblemError:
    """Return the problem of a thing that is not there."""
    return ProblemError(404, f"there is no {what} {name}")


def install(app: FastAPI) -> None:
    """Let every error of `app` leave as a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(TransientError, _on_away)
    for kind in (*AWAY_ERRORS, asyncpg.UndefinedTableError, asyncpg.QueryCanceledError):
        app.add_exception_handler(kind, _on_away)
    app.add_exception_handler(asyncpg.DataError, _on_unusable)
    app.add_exception_handler(Exception, _on_defect)


def _answer(request: Request, status: int, detail: str) -> JSONResponse:
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    return JSONResponse(
        body,
        status_code=status,
        headers=_HEADERS.get(status),
        media_type="application/problem+json",
    )


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ProblemError):
        raise error
    return _answer(request, error.status, error.detail)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    parts = [
        f"{'.'.join(str(place) for place in each['loc'][1:])}: {each['msg']} "
        f"(got {each.get('input')!r})"
        for each in error.errors()
    ]
    return _answer(request, 400, "; ".join(parts))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail
    if error.status_code == 404:
        detail = f"nothing is at {request.url.path}; /docs lists what there is"
    return _answer(request, error.status_code, detail)


async def _on_away(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, asyncpg.UndefinedTableError):
        detail = f"the database schema is not this version's: {error}; run `livetrap migrate`"
    elif isinstance(error, asyncpg.QueryCanceledError):
        detail = "the question took too long; ask for less (a cone, a stream, a shorter time)"
    elif isinstance(error, ValueError):  # asyncpg's DataError is an InterfaceError too
        return _answer(request, 400, f"a parameter is not storable in PostgreSQL: {error}")
    else:
        detail = f"PostgreSQL is away: {error!r}"
    get_logger().warning("request_failed", path=request.url.path, detail=detail)
    return _answer(request, 503, detail)


async def _on_unusable(request: Request, error: Exception) -> JSONResponse:
    return _answer(request, 400, f"PostgreSQL cannot read a parameter: {error}")


async def _on_defect(request: Request, error: Exception) -> JSONResponse:
    get_logger().error("request_crashed", path=request.url.path, error=repr(error))
    return _answer(request, 500, "this is a defect of ours; the log has the details")
