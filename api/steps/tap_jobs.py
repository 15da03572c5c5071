"""Jobs of TAP: stored in PostgreSQL, answered here one after another, and deleted when due."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from datetime import timedelta
from typing import Any, NoReturn

import asyncpg
import orjson

from api.errors import ProblemError
from api.steps.stream_limiter import StreamLimiter
from api.steps.tap_answer import Question, encode_answer
from api.steps.uws import ENDED, Job
from api.storage.database import Database
from api.storage.retained_images import Retention
from runtime.errors import TransientError
from runtime.listening import site_of
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS

__all__ = ["DEFAULT_EXECUTION_S", "MAX_EXECUTION_S", "MAX_RETENTION_S", "TapJobs"]

DEFAULT_EXECUTION_S, MAX_EXECUTION_S = 600, 3600
_RETENTION, MAX_RETENTION_S = timedelta(days=1), 7 * 86_400
# What is stored at a time, finished or not.
_MAX_OF_CLIENT, _MAX_JOBS = 50, 1000
_MAX_ANSWER_BYTES, _MAX_BYTES_OF_CLIENT, _MAX_BYTES = 256 << 20, 512 << 20, 2 << 30
# Statements that count these have a turn: together they would see the same room.
_COUNTED = "jobs of TAP"
# Jobs that a process answers at a time; each has a connection of its own.
_RUNNING = 2
_CHUNK_BYTES = 1 << 20
_TURN_S = 1.0
_LOST_S = 15
_MAX_WAIT_S = 60.0
_POLL_S = 0.25
# Requests that wait for a job to go on: each reads the row of its job four times a second.
_WAITING_OF_CLIENT, _WAITING = 8, 64
# One that finds no room waits so long without reading: its client may ask again at once.
_NO_ROOM_S = 1.0
_LOST = "the process that answered it, or the database, ended meanwhile; ask again"
_TOO_MANY = (
    f"too many jobs: an address may have {_MAX_OF_CLIENT}, all {_MAX_JOBS} and "
    f"{_MAX_BYTES >> 30} GiB of answers; delete what you have read, or try later"
)
_NO_ROOM = (
    f"there is no room for it: an address may have {_MAX_BYTES_OF_CLIENT >> 20} MiB of answers, "
    f"all {_MAX_BYTES >> 30} GiB; remove what you have read, or try later"
)
_ERRORS = (TransientError, *UNAVAILABLE_ERRORS, asyncpg.PostgresError)
Prepare = Callable[[Mapping[str, Sequence[str]]], Awaitable[Question]]


class TapJobs:
    """Stores jobs and answers them; of several processes each takes some.

    Parameters
    ----------
    database : Database
        Has the jobs and the answers.
    prepare : callable
        Returns what the parameters of a job ask; raises `ValueError` with words.
    retention : Retention
        Knows which images have pixels.
    """

    def __init__(self, database: Database, prepare: Prepare, retention: Retention) -> None:
        self._retention = retention
        self._database = database
        self._prepare = prepare
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._waiting = StreamLimiter(total=_WAITING, per_host=_WAITING_OF_CLIENT)

    async def add(
        self, parameters: Mapping[str, Sequence[str]], *, client: str, base_url: str
    ) -> str:
        """Store a job that is not started; return its identity.

        Raises
        ------
        ProblemError
            503 if there are too many.
        """
        rows = await self._database.write_in_turn(
            _COUNTED,
            "insert_tap_job",
            actor=None,
            job_id=secrets.token_urlsafe(16),
            client=site_of(client),
            run_id=next(iter(parameters.get("RUNID", ())), None),
            parameters=orjson.dumps(parameters).decode(),
            base_url=base_url,
            execution_duration_s=DEFAULT_EXECUTION_S,
            retention=_RETENTION,
            max_of_client=_MAX_OF_CLIENT,
            max_jobs=_MAX_JOBS,
            max_bytes=_MAX_BYTES,
        )
        if not rows:
            raise ProblemError(503, _TOO_MANY)
        return str(rows[0]["job_id"])

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        ProblemError
            404 if there is none.
        """
        rows = await self._database.fetch("get_tap_job", job_id=job_id)
        if not rows:
            raise ProblemError(404, "there is no such job; it may have been deleted")
        return Job(**{**rows[0], "parameters": orjson.loads(rows[0]["parameters"])})

    async def change(self, job: Job, **values: object) -> None:
        """Change a job that is not started: parameters of query ``update_tap_job``.

        Raises
        ------
        ProblemError
            400 if it was started.
        """
        if not await self._write("update_tap_job", job_id=job.job_id, **values):
            raise ProblemError(400, "the job was started: it cannot be changed any more")
        self._wake.set()

    async def keep_until(self, job: Job, time: object) -> None:
        """Set when a job is deleted, at most a week after it was created."""
        await self._write(
            "update_tap_destruction",
            job_id=job.job_id,
            time_destruction=time,
            most_s=MAX_RETENTION_S,
        )

    async def abort(self, job: Job) -> None:
        """Abort a job, if it has not ended."""
        await self._write("abort_tap_job", job_id=job.job_id)
        self._wake.set()

    async def delete(self, job: Job) -> None:
        """Delete a job with its answer; abort it before."""
        await self._write("delete_tap_job", job_id=job.job_id)
        self._wake.set()

    async def wait(self, job: Job, *, client: str, phase: str | None, wait_s: float) -> Job:
        """Return the job when it leaves `phase` or ends, or after some time as it is then.

        Where too many wait already, of this address or of all, that is after a second.

        Parameters
        ----------
        job : Job
            As it was.
        client : str
            Address of who waits.
        phase : str or None
            Phase to wait in; None: the present one.
        wait_s : float
            Longest time, at most 60 s; negative: 60 s [s].
        """
        phase = phase or job.phase
        wait_s = _MAX_WAIT_S if wait_s < 0 else min(wait_s, _MAX_WAIT_S)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        with ExitStack() as stack:
            try:
                stack.enter_context(self._waiting.admit(client))
            except ProblemError:
                await asyncio.sleep(min(wait_s, _NO_ROOM_S))
                return await self.get(job.job_id)
            while job.phase == phase and job.phase not in ENDED and loop.time() < deadline:
                await asyncio.sleep(_POLL_S)
                job = await self.get(job.job_id)
        return job

    async def read(self, job: Job) -> Any:
        """Yield the answer of a completed job in pieces."""
        for number in range(job.n_chunks):
            rows = await self._database.fetch("get_tap_chunk", job_id=job.job_id, number=number)
            if not rows:
                raise TransientError("the job was deleted while it was read")
            yield bytes(rows[0]["data"])

    async def run(self) -> NoReturn:
        """Answer jobs for ever."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self._turn()
                except _ERRORS as error:
                    get_logger().debug("tap_jobs_not_read", error=repr(error))
                try:
                    async with asyncio.timeout(_TURN_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _turn(self) -> None:
        """Cancel what was aborted, clean, and begin what waits."""
        if self._tasks:
            rows = await self._write("touch_tap_jobs", job_ids=list(self._tasks))
            wanted = {row["job_id"] for row in rows}
            for job_id, task in self._tasks.items():
                if job_id not in wanted:
                    task.cancel()
        (work,) = await self._database.fetch("get_tap_work", lost_s=_LOST_S)
        if work["is_lost"]:
            await self._write("fail_lost_tap_jobs", lost_s=_LOST_S, error=_LOST)
        if work["is_expired"]:
            await self._write("delete_expired_tap_jobs")
        while work["is_queued"] and len(self._tasks) < _RUNNING:
            rows = await self._write("claim_tap_job")
            if not rows:
                break
            self._begin(rows[0])

    def _begin(self, row: Mapping[str, Any]) -> None:
        job_id = str(row["job_id"])
        task = asyncio.create_task(self._execute(row))
        self._tasks[job_id] = task

        def forget(_: asyncio.Task[None]) -> None:
            del self._tasks[job_id]
            self._wake.set()

        task.add_done_callback(forget)

    async def _execute(self, row: Mapping[str, Any]) -> None:
        """Answer a job; if the database is away at the end, it is found lost later."""
        try:
            words = await self._answer(row)
            if words is not None:
                await self._write("fail_tap_job", job_id=row["job_id"], error=words)
        except _ERRORS as error:
            get_logger().warning("tap_job_not_ended", error=repr(error))

    async def _answer(self, row: Mapping[str, Any]) -> str | None:
        """Store the answer of a job; return what is wrong, if something is."""
        limit_s = row["execution_duration_s"]
        try:
            async with asyncio.timeout(limit_s):
                await self._store(row)
        except (ProblemError, ValueError) as error:
            return str(error)
        except TimeoutError:
            return f"it took longer than {limit_s} s; narrow it, or raise EXECUTIONDURATION"
        except _ERRORS as error:
            return f"the database ended, or refused it: {error}"
        except Exception as error:  # noqa: BLE001  (the job ends with words, whatever happens)
            get_logger().error("tap_job_failed", error=repr(error))
            return "the server failed; its log has the reason"
        return None

    async def _store(self, row: Mapping[str, Any]) -> None:
        question = await self._prepare(orjson.loads(row["parameters"]))
        answer = encode_answer(
            self._database,
            question,
            client=None,
            timeout_s=row["execution_duration_s"],
            links=await self._retention.links(row["base_url"], question.translation.sql),
        )
        number, n_bytes, held = 0, 0, b""
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                held += piece
                n_bytes += len(piece)
                if n_bytes > _MAX_ANSWER_BYTES:
                    raise ProblemError(
                        400, f"the answer is larger than {_MAX_ANSWER_BYTES >> 20} MiB; narrow it"
                    )
                if len(held) >= _CHUNK_BYTES:
                    await self._store_chunk(row, number, held, n_bytes)
                    number, held = number + 1, b""
        await self._store_chunk(row, number, held, n_bytes)
        form = question.answer_format
        await self._write(
            "complete_tap_job",
            job_id=row["job_id"],
            media_type=form.media_types[0],
            suffix=form.suffix,
        )

    async def _store_chunk(
        self, row: Mapping[str, Any], number: int, data: bytes, n_bytes: int
    ) -> None:
        stored = await self._database.write_in_turn(
            _COUNTED,
            "insert_tap_chunk",
            actor=None,
            job_id=row["job_id"],
            number=number,
            data=data,
            n_chunks=number + 1,
            n_bytes=n_bytes,
            max_bytes_of_client=_MAX_BYTES_OF_CLIENT,
            max_bytes=_MAX_BYTES,
        )
        if not stored:
            raise ProblemError(400, "the job was aborted")
        if stored[0]["number"] is None:
            raise ProblemError(400, _NO_ROOM)

    async def _write(self, query: str, **values: object) -> Sequence[Mapping[str, Any]]:
        return await self._database.write(query, actor=None, **values)
