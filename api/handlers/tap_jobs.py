"""`/vo/tap/async`: queries that are answered later (UWS 1.1)."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response

from api.errors import ProblemError
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.dali import XML_TYPE, read_parameters, root_of, single, xml_responses
from api.handlers.table_response import start_table
from api.steps.tap_jobs import MAX_EXECUTION_S
from api.steps.uws import Job, write_job, write_jobs, write_parameters, write_results

__all__ = ["router"]

router = APIRouter(prefix="/vo/tap/async", tags=["virtual observatory"])

_KNOWN = frozenset(
    {"LANG", "QUERY", "REQUEST", "RESPONSEFORMAT", "FORMAT", "MAXREC", "RUNID", "UPLOAD"}
)
# What XML and PostgreSQL cannot hold.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT_TYPE = "text/plain"
_MOVED: dict[int | str, dict[str, Any]] = {303: {"description": "Where the job is, or the list"}}
_ANY: dict[str, Any] = {"schema": {"type": "string"}, "example": "..."}
_TABLES = ("application/x-votable+xml", "text/csv", "application/vnd.apache.parquet")
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "What the job has found", "content": dict.fromkeys(_TABLES, _ANY)}
}
_ERROR_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "VOTable whose INFO QUERY_STATUS is ERROR; plain text if there is no error",
        "content": {"application/x-votable+xml": _ANY, _TEXT_TYPE: _ANY},
    }
}
JobId = Annotated[str, Path(description="Identity of the job", max_length=64)]


def _plain_responses(example: str) -> dict[int | str, dict[str, Any]]:
    content = {_TEXT_TYPE: {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": "Plain text", "content": content}}


def _plain(text: object) -> Response:
    return Response(str(text), media_type=_TEXT_TYPE)


def _address(request: Request, job_id: str = "") -> str:
    return f"{root_of(request)}/vo/tap/async" + (f"/{job_id}" if job_id else "")


def _move(address: str) -> Response:
    return RedirectResponse(address, status_code=303)


def _wanted(given: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {
        name: [_UNWRITABLE.sub("\ufffd", value) for value in values]
        for name, values in given.items()
        if name in _KNOWN
    }


def _single(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    try:
        return single(given, name)
    except ValueError as error:
        raise ProblemError(400, str(error)) from None


@router.get(
    "",
    summary="Jobs of TAP",
    response_class=Response,
    responses=xml_responses("<uws:jobs/>"),
)
async def list_tap_jobs(context: Context) -> Response:
    """Return no job: they have no owner, and who knows the identity of one may delete it.

    It is an error while the database is away: a job that cannot be read is not one that is gone.
    """
    await context.database.fetch("check_schema")
    return Response(write_jobs(), media_type=XML_TYPE)


@router.post("", status_code=303, summary="Make a job", response_class=Response, responses=_MOVED)
async def add_tap_job(request: Request, context: Context, client: ClientAddress) -> Response:
    """Store a query and go to its job; `PHASE=RUN` starts it."""
    given = await read_parameters(request)
    phase = _single(given, "PHASE")
    if phase not in {None, "RUN"}:
        raise ProblemError(400, "PHASE: write RUN")
    job_id = await context.tap_jobs.add(_wanted(given), client=client, base_url=root_of(request))
    if phase == "RUN":
        await context.tap_jobs.change(await context.tap_jobs.get(job_id), phase="QUEUED")
    return _move(_address(request, job_id))


@router.get(
    "/{job_id}",
    summary="A job of TAP",
    response_class=Response,
    responses=xml_responses("<uws:job/>"),
)
async def get_tap_job(
    request: Request, context: Context, client: ClientAddress, job_id: JobId
) -> Response:
    """Return a job; `WAIT` (s, at most 60) waits until it leaves `PHASE` or the present one.

    Where many requests wait already, of an address or of all, the answer comes after a second.
    """
    given = await read_parameters(request)
    job = await context.tap_jobs.get(job_id)
    wait = _single(given, "WAIT")
    if wait is not None:
        if re.fullmatch(r"-1|\d{1,9}", wait, re.ASCII) is None:
            raise ProblemError(400, "WAIT: write a whole number of seconds, or -1")
        phase = _single(given, "PHASE")
        job = await context.tap_jobs.wait(job, client=client, phase=phase, wait_s=int(wait))
    return Response(write_job(job, _address(request, job_id)), media_type=XML_TYPE)


@router.post(
    "/{job_id}", status_code=303, summary="Delete a job", response_class=Response, responses=_MOVED
)
async def post_tap_job(request: Request, context: Context, job_id: JobId) -> Response:
    """Delete a job by `ACTION=DELETE`, for clients that cannot send DELETE."""
    given = await read_parameters(request)
    if _single(given, "ACTION") != "DELETE":
        raise ProblemError(400, "ACTION: write DELETE")
    return await _delete(request, context, job_id)


@router.delete(
    "/{job_id}",
    summary="Delete a job",
    status_code=303,
    response_class=Response,
    responses=_MOVED,
)
async def delete_tap_job(request: Request, context: Context, job_id: JobId) -> Response:
    """Abort a job and delete it with its answer."""
    return await _delete(request, context, job_id)


async def _delete(request: Request, context: ApiContext, job_id: str) -> Response:
    await context.tap_jobs.delete(await context.tap_jobs.get(job_id))
    return _move(_address(request))


@router.get(
    "/{job_id}/phase",
    summary="Phase of a job",
    response_class=Response,
    responses=_plain_responses("COMPLETED"),
)
async def get_tap_phase(context: Context, job_id: JobId) -> Response:
    """Return PENDING, QUEUED, EXECUTING, COMPLETED, ERROR or ABORTED."""
    return _plain((await context.tap_jobs.get(job_id)).phase)


@router.post(
    "/{job_id}/phase",
    status_code=303,
    summary="Start a job",
    response_class=Response,
    responses=_MOVED,
)
async def set_tap_phase(request: Request, context: Context, job_id: JobId) -> Response:
    """Start a job by `PHASE=RUN`, abort it by `PHASE=ABORT`."""
    phase = _single(await read_parameters(request), "PHASE")
    job = await context.tap_jobs.get(job_id)
    if phase == "RUN":
        await context.tap_jobs.change(job, phase="QUEUED")
    elif phase == "ABORT":
        await context.tap_jobs.abort(job)
    else:
        raise ProblemError(400, "PHASE: write RUN or ABORT")
    return _move(_address(request, job_id))


@router.get(
    "/{job_id}/executionduration",
    summary="Time that a job may take",
    response_class=Response,
    responses=_plain_responses("600"),
)
async def get_tap_execution_duration(context: Context, job_id: JobId) -> Response:
    """Return the time that a job may take [s]."""
    return _plain((await context.tap_jobs.get(job_id)).execution_duration_s)


@router.post(
    "/{job_id}/executionduration",
    status_code=303,
    summary="Set the time that a job may take",
    response_class=Response,
    responses=_MOVED,
)
async def set_tap_execution_duration(
    request: Request, context: Context, job_id: JobId
) -> Response:
    """Set the time that a job may take, at most an hour; 0 is that [s]."""
    text = _single(await read_parameters(request), "EXECUTIONDURATION") or ""
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None:
        raise ProblemError(400, "EXECUTIONDURATION: write a whole number of seconds")
    wanted_s = min(int(text) or MAX_EXECUTION_S, MAX_EXECUTION_S)
    await context.tap_jobs.change(
        await context.tap_jobs.get(job_id), execution_duration_s=wanted_s
    )
    return _move(_address(request, job_id))


@router.get(
    "/{job_id}/destruction",
    summary="When a job is deleted",
    response_class=Response,
    responses=_plain_responses("2026-11-24T20:00:00Z"),
)
async def get_tap_destruction(context: Context, job_id: JobId) -> Response:
    """Return when a job is deleted with its answer, UTC."""
    return _plain(f"{(await context.tap_jobs.get(job_id)).time_destruction:%FT%T.%f}Z")


@router.post(
    "/{job_id}/destruction",
    status_code=303,
    summary="Set when a job is deleted",
    response_class=Response,
    responses=_MOVED,
)
async def set_tap_destruction(request: Request, context: Context, job_id: JobId) -> Response:
    """Set when a job is deleted, ISO 8601, at most a week after it was made."""
    text = _single(await read_parameters(request), "DESTRUCTION") or ""
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ProblemError(400, "DESTRUCTION: write a time as 2026-11-24T20:00:00Z") from None
    await context.tap_jobs.keep_until(await context.tap_jobs.get(job_id), time)
    return _move(_address(request, job_id))


@router.get(
    "/{job_id}/quote",
    summary="When a job will end",
    response_class=Response,
    responses=_plain_responses("\n"),
)
async def get_tap_quote(context: Context, job_id: JobId) -> Response:
    """Return nothing: nobody knows how long a query takes."""
    await context.tap_jobs.get(job_id)
    return _plain("")


@router.get(
    "/{job_id}/owner",
    summary="Owner of a job",
    response_class=Response,
    responses=_plain_responses("\n"),
)
async def get_tap_owner(context: Context, job_id: JobId) -> Response:
    """Return nothing: jobs have no owner."""
    await context.tap_jobs.get(job_id)
    return _plain("")


@router.get(
    "/{job_id}/parameters",
    summary="Parameters of a job",
    response_class=Response,
    responses=xml_responses("<uws:parameters/>"),
)
async def get_tap_parameters(context: Context, job_id: JobId) -> Response:
    """Return what a job asks."""
    return Response(write_parameters(await context.tap_jobs.get(job_id)), media_type=XML_TYPE)


@router.post(
    "/{job_id}/parameters",
    status_code=303,
    summary="Change what a job asks",
    response_class=Response,
    responses=_MOVED,
)
async def set_tap_parameters(request: Request, context: Context, job_id: JobId) -> Response:
    """Set parameters of a job that is not started."""
    given = _wanted(await read_parameters(request))
    job = await context.tap_jobs.get(job_id)
    parameters = orjson.dumps({**job.parameters, **given}).decode()
    await context.tap_jobs.change(job, parameters=parameters)
    return _move(_address(request, job_id))


@router.get(
    "/{job_id}/results",
    summary="Results of a job",
    response_class=Response,
    responses=xml_responses("<uws:results/>"),
)
async def list_tap_results(request: Request, context: Context, job_id: JobId) -> Response:
    """Return where the answer is, when the job is completed."""
    job = await context.tap_jobs.get(job_id)
    return Response(write_results(job, _address(request, job_id)), media_type=XML_TYPE)


@router.get(
    "/{job_id}/results/result",
    summary="Answer of a job",
    response_class=Response,
    responses=_ANSWER,
)
async def get_tap_result(context: Context, job_id: JobId) -> Response:
    """Return the table that a completed job has found."""
    job = await context.tap_jobs.get(job_id)
    if job.phase != "COMPLETED" or job.media_type is None:
        raise ProblemError(404, _why_not(job))
    return await start_table(
        context.tap_jobs.read(job),
        media_type=job.media_type,
        file_name=f"livetrap-result.{job.suffix}",
    )


def _why_not(job: Job) -> str:
    return f"the job has no result: it is {job.phase}" + (f", {job.error}" if job.error else "")


@router.get(
    "/{job_id}/error",
    summary="Why a job failed",
    response_class=Response,
    responses=_ERROR_ANSWER,
)
async def get_tap_error(context: Context, job_id: JobId) -> Response:
    """Return the error of a job as a VOTable; nothing if there is none."""
    job = await context.tap_jobs.get(job_id)
    if job.error is None:
        return _plain("")
    return Response(
        await asyncio.to_thread(_write_error, job.error), media_type="application/x-votable+xml"
    )


def _write_error(words: str) -> bytes:
    from api.steps.tables.votable_document import write_error  # noqa: PLC0415  (slow to import)

    return write_error("LiveTrap", words)
