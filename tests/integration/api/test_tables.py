"""Whole tables: what their headers say, and that they are of one moment."""

import csv
import io
from importlib.metadata import version
from urllib.parse import urlencode

import pytest

from tests.integration.api.test_export import Export
from tests.support.api_rows import rows_of
from tests.support.api_service import app_of, client_of

SUFFIXES = {"csv": "csv", "votable": "vot", "parquet": "parquet"}
N_SOURCES = 3500  # of which PostgreSQL gives a thousand at a time


@pytest.mark.parametrize("table_format", SUFFIXES)
@pytest.mark.parametrize("path", ["sources", "transients", "images", "alerts", "detections"])
async def test_a_table_has_a_name_its_query_and_the_version_in_its_header(
    postgres_url: str, path: str, table_format: str
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        source = await rows.source(10.0, 10.0, image=image)
        await rows.point(source, image)
        transient = await rows.transient(source, image=image)
        await rows.alert(transient_id=transient, source_id=source)
        await rows.copy_statistics()
        asked = {"stream": rows.stream, "format": table_format}
        answer = await client.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    name = f"livetrap-{path}.{SUFFIXES[table_format]}"
    assert answer.headers["content-disposition"] == f'inline; filename="{name}"'
    assert answer.headers["x-livetrap-query"] == f"/api/v1/{path}?{urlencode(asked)}"
    assert answer.headers["x-livetrap-version"] == version("livetrap")


async def test_a_table_by_eta_holds_each_source_once_while_all_of_them_change(
    postgres_url: str,
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        sources = [
            await rows.source(
                number / 100, 10.0, image=image, eta=1.0 + number, v=0.1, n_datapoints=3
            )
            for number in range(N_SOURCES)
        ]
        # A catalogue that grows is counted by autovacuum; without counts each copy reads all rows
        # for each source.
        await rows.connection.execute("analyze")
        await rows.copy_statistics()
        body = bytearray()

        async def note(piece: bytes) -> None:
            if not body:
                # The last become the first: pages by key would now skip and repeat.
                await rows.connection.execute(
                    "update source_statistics set eta = $2 - eta where source_id = any($1)",
                    sources, N_SOURCES + 2.0,
                )  # fmt: skip
            body.extend(piece)

        export = Export(app_of(client), 0, "csv")
        export._scope |= {
            "path": "/api/v1/sources",
            "query_string": urlencode(
                {"stream": rows.stream, "format": "csv", "sort": "eta", "columns": "id,eta"}
            ).encode(),
        }
        await export.run(note)
    assert (export.status, export.is_complete) == (200, True)
    found = list(csv.DictReader(io.StringIO(body.decode())))
    assert sorted(int(row["id"]) for row in found) == sorted(sources)
    assert {float(row["eta"]) for row in found} == {1.0 + each for each in range(N_SOURCES)}
    assert found == sorted(found, key=lambda row: -float(row["eta"]))
