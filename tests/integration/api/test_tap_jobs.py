"""Jobs of TAP end with an answer or with words, whatever dies meanwhile."""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from astropy.io.votable import parse_single_table
from lxml import etree

from api.steps import tap_jobs
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of, server
from tests.support.observatory import observe
from tests.support.pyvo_session import pyvo_session
from tests.support.served_api import served

_JOBS = "/vo/tap/async"
_OF_A_STREAM = "select id, ra from livetrap.source where stream = '{}' order by id"
_SLOW = f"select count(*) from {', '.join(f'tap_schema.columns as c{n}' for n in range(6))}"  # noqa: S608  (of a test)
_UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
_WAIT_S = 60


async def start(client: httpx.AsyncClient, adql: str, **more: str) -> str:
    """Start a job and return its address."""
    made = await client.post(
        _JOBS, data={"LANG": "ADQL", "QUERY": adql, "PHASE": "RUN", **more}, follow_redirects=False
    )
    assert made.status_code == 303, made.text
    return made.headers["location"]


async def phase_of(client: httpx.AsyncClient, job: str, *passed: str) -> str:
    """Return the phase after those that pass."""
    async with asyncio.timeout(_WAIT_S):
        while (phase := (await client.get(f"{job}/phase")).text) in passed:  # noqa: ASYNC110  (polled)
            await asyncio.sleep(0.05)
    return phase


async def ended(client: httpx.AsyncClient, job: str) -> str:
    return await phase_of(client, job, "PENDING", "QUEUED", "EXECUTING")


@asynccontextmanager
async def running(client: httpx.AsyncClient) -> AsyncIterator[str]:
    """Give a job that takes longer than the test; delete it at the end."""
    job = await start(client, _SLOW)
    assert await phase_of(client, job, "QUEUED") == "EXECUTING"
    yield job
    await client.delete(job)


async def test_a_job_is_answered_and_deleted(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        asked = _OF_A_STREAM.format(rows.stream)
        made = await client.post(_JOBS, data={"LANG": "ADQL", "QUERY": "select 1"})
        job = made.headers["location"]
        assert len(job.rpartition("/")[2]) >= 22
        assert (await client.get(f"{job}/phase")).text == "PENDING"
        assert (await client.get(f"{job}/results/result")).status_code == 404
        await client.post(f"{job}/parameters", data={"QUERY": asked})
        await client.post(f"{job}/executionduration", data={"EXECUTIONDURATION": "99999999"})
        assert (await client.get(f"{job}/executionduration")).text == "3600"
        await client.post(f"{job}/destruction", data={"DESTRUCTION": "2999-01-01T00:00:00Z"})
        assert not (await client.get(f"{job}/destruction")).text.startswith("2999")
        await client.post(f"{job}/phase", data={"PHASE": "RUN"})
        assert await ended(client, job) == "COMPLETED"
        late = await client.post(f"{job}/parameters", data={"QUERY": "select 2"})
        assert late.status_code == 400
        document = etree.fromstring((await client.get(job)).content)
        assert document.findtext(f".//{_UWS}parameter[@id='QUERY']") == asked
        (result,) = document.iter(f"{_UWS}result")
        answer = await client.get(result.get("{http://www.w3.org/1999/xlink}href", ""))
        assert parse_single_table(io.BytesIO(answer.content)).array["id"].tolist() == sources
        assert len(answer.content) == int(result.get("size", "0"))
        assert job.encode() not in (await client.get(_JOBS)).content
        assert (await client.delete(job)).status_code == 303
        assert (await client.get(job)).status_code == 404
        assert await rows.connection.fetchval("select count(*) from tap_chunk") == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"QUERY": "select nonsense"}, "nonsense"),
        ({"QUERY": "select * from api_token"}, "there is no table api_token"),
        ({"QUERY": "select \x00 \x1b"}, "."),
        ({"QUERY": "select 1", "LANG": "SQL"}, "LANG: SQL"),
        ({}, "QUERY: write a SELECT"),
    ],
)
async def test_a_wrong_question_ends_in_error_with_words(
    postgres_url: str, given: dict[str, str], words: str
) -> None:
    async with client_of(postgres_url) as client:
        made = await client.post(_JOBS, data={"LANG": "ADQL", "PHASE": "RUN", **given})
        job = made.headers["location"]
        assert await ended(client, job) == "ERROR"
        assert words in etree.fromstring((await client.get(job)).content).findtext(
            f".//{_UWS}message", ""
        )
        assert words in (await client.get(f"{job}/error")).text


async def test_a_job_ends_when_it_takes_too_long_and_when_it_is_aborted(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        made = await client.post(_JOBS, data={"LANG": "ADQL", "QUERY": _SLOW})
        job = made.headers["location"]
        await client.post(f"{job}/executionduration", data={"EXECUTIONDURATION": "1"})
        await client.post(f"{job}/phase", data={"PHASE": "RUN"})
        assert await ended(client, job) == "ERROR"
        assert "longer than 1 s" in (await client.get(f"{job}/error")).text
        async with running(client) as job:
            await client.post(f"{job}/phase", data={"PHASE": "ABORT"})
            assert await ended(client, job) == "ABORTED"
            await _no_connection_of_a_job(postgres_url)


async def _no_connection_of_a_job(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        async with asyncio.timeout(_WAIT_S):
            while await connection.fetchval(  # noqa: ASYNC110  (polled)
                "select count(*) from pg_stat_activity "
                "where application_name = 'livetrap-api-job' and datname = current_database()"
            ):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def test_a_job_whose_connection_dies_ends_in_error(postgres_url: str) -> None:
    async with (
        rows_of(postgres_url) as rows,
        client_of(postgres_url) as client,
        running(client) as job,
    ):
        async with asyncio.timeout(_WAIT_S):
            while not await rows.connection.fetchval(  # noqa: ASYNC110  (polled)
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where application_name = 'livetrap-api-job' and datname = current_database()"
            ):
                await asyncio.sleep(0.05)
        assert await ended(client, job) == "ERROR"
        assert "database" in (await client.get(f"{job}/error")).text


async def test_a_job_whose_process_is_killed_ends_in_error(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows:
        async with (
            server(postgres_url) as (address, process),
            httpx.AsyncClient(base_url=address, timeout=_WAIT_S) as client,
        ):
            job = await start(client, _SLOW)
            assert await phase_of(client, job, "QUEUED") == "EXECUTING"
            process.kill()
            await asyncio.to_thread(process.wait, _WAIT_S)
        # As if the time had passed after which it is lost.
        await rows.connection.execute(
            "update tap_job set time_alive = time_alive - interval '1 minute'"
        )
        async with client_of(postgres_url) as client:
            path = httpx.URL(job).path
            assert await ended(client, path) == "ERROR"
            assert "ended meanwhile" in (await client.get(f"{path}/error")).text
            await client.delete(path)


async def test_wait_blocks_until_a_job_leaves_its_phase(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        made = await client.post(_JOBS, data={"LANG": "ADQL", "QUERY": "select 1"})
        job = made.headers["location"]
        waiting = asyncio.create_task(client.get(job, params={"WAIT": "-1", "PHASE": "PENDING"}))
        await client.post(f"{job}/phase", data={"PHASE": "RUN"})
        assert ">PENDING<" not in (await waiting).text
        assert await ended(client, job) in {"COMPLETED", "ERROR"}
        assert (await client.get(job, params={"WAIT": "60"})).status_code == 200
        for wrong in ("x", "-2", "1e9", "٣"):
            assert (await client.get(job, params={"WAIT": wrong})).status_code == 400


async def test_jobs_and_their_answers_are_bounded(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_jobs, "_MAX_ANSWER_BYTES", 10_000)
    monkeypatch.setattr(tap_jobs, "_CHUNK_BYTES", 1000)
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await rows.connection.execute("delete from tap_job")
        job = await start(client, "select * from tap_schema.columns")
        assert await ended(client, job) == "ERROR"
        assert "larger than" in (await client.get(f"{job}/error")).text
        async with asyncio.timeout(_WAIT_S):
            while await rows.connection.fetchval("select count(*) from tap_chunk"):  # noqa: ASYNC110  (polled)
                await asyncio.sleep(0.05)
        monkeypatch.setattr(tap_jobs, "_MAX_OF_CLIENT", 3)
        states = [(await client.post(_JOBS, data={})).status_code for _ in range(3)]
        assert states == [303, 303, 503]
        await rows.connection.execute("update tap_job set time_destruction = now()")
        async with asyncio.timeout(_WAIT_S):
            while await rows.connection.fetchval("select count(*) from tap_job"):  # noqa: ASYNC110  (polled)
                await asyncio.sleep(0.05)


async def test_the_answers_of_an_address_take_a_part_of_the_room(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = {"LANG": "ADQL", "QUERY": "select top 80 * from tap_schema.columns"}
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await rows.connection.execute("delete from tap_job")
        made = [await client.post(_JOBS, data=question) for _ in range(4)]
        jobs = [each.headers["location"] for each in made]
        await client.post(f"{jobs[0]}/phase", data={"PHASE": "RUN"})
        assert await ended(client, jobs[0]) == "COMPLETED"
        size = await rows.connection.fetchval("select sum(length(data)) from tap_chunk")
        monkeypatch.setattr(tap_jobs, "_MAX_BYTES_OF_CLIENT", 2 * size + size // 2)
        for job in jobs[1:]:  # there was room for each when it was made
            await client.post(f"{job}/phase", data={"PHASE": "RUN"})
        states = [await ended(client, job) for job in jobs]
        assert sorted(states) == ["COMPLETED", "COMPLETED", "ERROR", "ERROR"]
        refused = jobs[states.index("ERROR")]
        assert "remove what you have read" in (await client.get(f"{refused}/error")).text
        await client.delete(jobs[0])
        job = await start(client, question["QUERY"])
        assert await ended(client, job) == "COMPLETED"
        await client.delete(job)


async def test_requests_that_wait_for_jobs_leave_room_for_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_jobs, "_WAITING_OF_CLIENT", 2)
    async with client_of(postgres_url) as client:
        job = (await client.post(_JOBS, data={})).headers["location"]
        wait = {"WAIT": "-1"}
        waiting = [asyncio.create_task(client.get(job, params=wait)) for _ in range(3)]
        started_s = time.monotonic()
        done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        # Who finds no room and asks again at once does not ask more often than once a second.
        assert time.monotonic() - started_s >= tap_jobs._NO_ROOM_S
        assert [">PENDING<" in each.result().text for each in done] == [True]
        await client.post(f"{job}/phase", data={"PHASE": "ABORT"})
        assert [">ABORTED<" in each.text for each in await asyncio.gather(*others)] == [True] * 2
        await client.delete(job)


async def test_pyvo_asks_by_jobs(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows:
        sources = await observe(rows)
    with served(postgres_url) as address:
        await asyncio.to_thread(_ask_with_pyvo, address, rows.stream, sources)


def _ask_with_pyvo(address: str, stream: str, sources: list[int]) -> None:
    import pyvo

    asked = _OF_A_STREAM.format(stream)
    with pyvo_session() as session:
        service = pyvo.dal.TAPService(f"{address}/vo/tap", session=session)
        assert service.run_async(asked)["id"].tolist() == sources
        job = service.submit_job(asked, maxrec=2)
        assert job.phase == "PENDING"
        job.run().wait(phases=["COMPLETED", "ERROR"], timeout=_WAIT_S)
        assert job.fetch_result()["id"].tolist() == sources[:2]
        job.delete()
        with pytest.raises(pyvo.dal.DALQueryError, match=re.escape("nonsense")):
            service.run_async("select nonsense from livetrap.source")
