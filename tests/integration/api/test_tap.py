"""TAP says what REST says, a client of the IVOA understands it, and nothing else is seen."""

import asyncio
import io
import re
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import numpy as np
import pytest
from astropy.io.votable import parse_single_table

from api.errors import AdqlError, ProblemError
from api.steps.tap_examples import EXAMPLES
from api.storage.database import Database
from api.storage.questions import ask, read_catalogue
from api.storage.retained_images import PixelLinks
from runtime.settings import ApiSettings, PostgresSettings
from tests.support.adql import hostile_queries
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of
from tests.support.observatory import observe
from tests.support.pyvo_session import pyvo_session
from tests.support.served_api import served

_SYNC = "/vo/tap/sync"
_CONE = "select * from source where 1 = contains(point({}), circle(360, 10, {})) order by id"
_PAIRS = (
    "select a.id, b.id from source a "
    "join source b on 1 = contains(point(a.ra, a.dec), circle(b.ra, b.dec, 0.11)) "
    "where a.id < b.id and a.stream = '{0}' and b.stream = '{0}' order by a.id"
)
_OF_A_STREAM = "select id, ra from source where stream = '{}' order by id"
_OF_A_TRANSIENT = "select id, n_datapoints, n_forced, eta, v from transient where id = {}"
_SLOW = "select count(*) from tap_schema.columns as c0" + ", tap_schema.columns as c{}" * 5


async def query(client: httpx.AsyncClient, adql: str, **more: Any) -> Any:
    answer = await client.post(_SYNC, data={"LANG": "ADQL", "QUERY": adql, **more})
    assert answer.status_code == 200, answer.text
    return parse_single_table(io.BytesIO(answer.content), verify="exception").array


async def test_a_cone_over_tap_says_what_rest_and_scs_say(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await observe(rows)
        for radius_deg in (0.05, 0.1, 0.15):
            cone = {"ra": 0, "dec": 10, "radius_deg": radius_deg, "limit": 500}
            items = (await client.get("/api/v1/sources", params=cone)).json()["items"]
            for point in ("'ICRS', ra, dec", "ra + 0, dec"):  # with the index, and without
                found = await query(client, _CONE.format(point, radius_deg))
                assert found["id"].tolist() == [item["id"] for item in items]
                assert found["eta"].tolist() == [item["eta"] for item in items]
                assert found["ra_err_deg"].tolist() == pytest.approx(
                    [item["ra_err_deg"] for item in items]
                )
            scs = await client.get(f"/vo/scs?RA=0&DEC=10&SR={radius_deg}&VERB=3")
            assert parse_single_table(io.BytesIO(scs.content)).array["id"].tolist() == [
                item["id"] for item in items
            ]


async def test_a_cross_match_joins_circles_of_columns(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        pairs = await query(
            client,
            _PAIRS.format(rows.stream),
        )
        assert list(zip(pairs["id"], pairs["id_2"], strict=True)) == [
            (sources[0], sources[1]), (sources[1], sources[2]),
        ]  # fmt: skip


async def test_a_transient_stays_when_its_source_is_archived(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        source = await rows.source(10.0, 10.0, image=image)
        transient = await rows.transient(source, image=image)
        await rows.connection.execute("delete from source where id = $1", source)
        start = datetime(2024, 1, 1, tzinfo=UTC)
        await rows.one(
            "archived_source", id=source, stream_id=rows.stream_id, ra=10.0, dec=10.0,
            n_datapoints=1, n_forced=3, eta=2.5, v=0.5, first_image_key=image,
            first_source_number=0, first_time_start=start, last_time_start=start,
            time_archived=start,
        )  # fmt: skip
        found = await query(client, _OF_A_TRANSIENT.format(transient))
        assert [tuple(row) for row in found] == [(transient, 4, 3, 2.5, 0.5)]


async def test_every_table_of_tap_schema_can_be_read(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await observe(rows)
        described = await query(client, "select table_name, column_name from tap_schema.columns")
        names = sorted(set(described["table_name"]))
        assert len(names) == 12
        for name in names:
            found = await query(client, f"select * from {name}", MAXREC="1")  # noqa: S608  (of a test)
            columns = described["column_name"][described["table_name"] == name]
            assert set(found.dtype.names) == {column.strip('"') for column in columns}
        tables = (await client.get("/vo/tap/tables")).text
        assert all(f"<name>{name}</name>" in tables for name in names)


async def test_every_example_is_answered(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await observe(rows)
        assert (await client.get("/vo/tap/examples")).status_code == 200
        for *_, adql in EXAMPLES:
            assert (await query(client, adql)).dtype.names


async def test_types_and_names_of_tap_schema_are_those_of_the_standard(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        found = await query(
            client,
            'select column_name, "size", indexed from tap_schema.columns '
            "where table_name = 'tap_schema.columns'",
        )
        assert '"size"' in found["column_name"]
        assert found["size"].dtype == found["indexed"].dtype == np.int32


async def test_maxrec_ends_an_answer_with_overflow(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await observe(rows)
        asked = {"QUERY": "select id from source", "LANG": "ADQL", "MAXREC": "2"}
        answer = await client.get(_SYNC, params=asked)
        assert b'value="OVERFLOW"' in answer.content
        assert len(parse_single_table(io.BytesIO(answer.content)).array) == 2
        lines = (await client.get(_SYNC, params={**asked, "RESPONSEFORMAT": "csv"})).text
        assert len(lines.splitlines()) == 3
        columns = await client.get(_SYNC, params={**asked, "maxrec": "0", "MAXREC": ""})
        assert len(parse_single_table(io.BytesIO(columns.content)).array) == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "QUERY: write a SELECT"),
        ({"LANG": "SQL", "QUERY": "select 1"}, "LANG: SQL"),
        ({"QUERY": "select 1", "RESPONSEFORMAT": "fits"}, "RESPONSEFORMAT: fits"),
        ({"QUERY": "select 1", "MAXREC": "-1"}, "MAXREC"),
        ({"QUERY": "select 1", "UPLOAD": "a,b"}, "UPLOAD"),
        ({"QUERY": "select source_id / (source_id - source_id) from detection"}, "division"),
        ({"QUERY": "select ra + stream from source"}, "operator does not exist"),
        ({"QUERY": "select * from api_token"}, "there is no table api_token"),
        ({"QUERY": "select (select id from detection) from source"}, "more than one row"),
    ],
)
async def test_an_error_is_a_votable_in_words(
    postgres_url: str, asked: dict[str, str], words: str
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await observe(rows)
        answer = await client.post(_SYNC, data={"LANG": "ADQL"} | asked)
        assert answer.status_code == 400
        assert b'name="QUERY_STATUS" value="ERROR"' in answer.content
        assert words in answer.text


async def test_a_hostile_query_over_http_is_refused(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        for hostile in list(hostile_queries())[::7]:
            answer = await client.post(_SYNC, data={"LANG": "ADQL", "QUERY": hostile})
            assert answer.status_code == 400, hostile


async def test_numbers_beyond_those_of_the_database_are_the_fault_of_the_question(
    postgres_url: str,
) -> None:
    asked = (
        "select id from source where 1 = contains(point(ra, dec), circle(1e400, 2, 3))",
        "select id from source where 1 = contains(point(ra, dec), circle(ra, dec, 'x'))",
        "select id from source offset 1000000000000000000000",
        "select top 99999999999999999999999 id from source",
        "select power(10, 400) from source",
        "select id from source where id = 1e30",
    )
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await observe(rows)
        for query in asked:
            answer = await client.post(_SYNC, data={"LANG": "ADQL", "QUERY": query})
            assert answer.status_code in {200, 400}, (query, answer.text)
            status = "OK" if answer.status_code == 200 else "ERROR"
            assert f'name="QUERY_STATUS" value="{status}"' in answer.text, query


async def test_the_role_of_questions_sees_views_alone(postgres_url: str) -> None:
    database = Database(PostgresSettings(url=postgres_url), ApiSettings())
    await database.connect()
    try:
        hostile = (
            "select * from public.api_token", "select * from public.source",
            "select * from pg_catalog.pg_authid", "select public.grant_virtual_observatory()",
            "select pg_catalog.pg_read_file('/etc/passwd')", "delete from vo.image returning 1",
            "select pg_catalog.pg_ls_dir('/')",
        )  # fmt: skip
        for sql in hostile:
            with pytest.raises((asyncpg.PostgresError, AdqlError, ProblemError)) as error:
                await _run(database, sql)
            assert re.search("denied|read-only|cannot", str(error.value)), sql
        with pytest.raises(AdqlError, match=r"longer than 0\.3 s"):
            await _run(database, _SLOW.format(*range(1, 6)), timeout_s=0.3)
        # The connection goes back to the pool as it was.
        assert (await read_catalogue(database)).tables
    finally:
        await database.aclose()


async def _run(database: Database, sql: str, *, timeout_s: float = 10.0) -> None:
    async with ask(
        database, sql, client="127.0.0.1", timeout_s=timeout_s, links=PixelLinks("http://api")
    ) as answer:
        async for _ in answer.chunks:
            pass


async def test_pyvo_finds_tables_and_asks(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows:
        sources = await observe(rows)
    with served(postgres_url) as address:
        await asyncio.to_thread(_ask_with_pyvo, address, rows.stream, sources)


def _ask_with_pyvo(address: str, stream: str, sources: list[int]) -> None:
    import pyvo

    with pyvo_session() as session:
        service = pyvo.dal.TAPService(f"{address}/vo/tap", session=session)
        assert "livetrap.source" in list(service.tables.keys())
        assert service.tables["livetrap.source"].columns[3].unit == "deg"
        found = service.search(_OF_A_STREAM.format(stream))
        assert found["id"].tolist() == sources
        assert str(found.getdesc("ra").unit) == "deg"
        cones = pyvo.dal.SCSService(f"{address}/vo/scs?", session=session)
        cone = cones.search((0.0, 10.0), radius=0.15)
        assert set(sources) <= set(cone["id"].tolist())
