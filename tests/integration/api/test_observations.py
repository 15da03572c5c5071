"""Streams, bands, measurements, gaps, rms grids; lists as tables; cone searches."""

import csv
import io
import re
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse, parse_single_table
from pyarrow import parquet

from tests.support.api_rows import START, Rows, rows_of
from tests.support.api_service import client_of
from tests.support.fits_images import CARDS


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> httpx.Response:
    answer = await client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer


async def observe(rows: Rows, n_sources: int = 3) -> list[int]:
    """Insert an image with an rms grid and sources that are 0.1 deg apart."""
    image = await rows.image(
        0, rms_grid=[0.001, float("nan"), 0.003, 0.004], rms_grid_columns=2, rms_grid_cell_px=50,
        width_px=100, height_px=100,
    )  # fmt: skip
    sources = []
    for number in range(n_sources):
        ra = (359.9 + 0.1 * number) % 360
        source = await rows.source(ra, 10.0, image=image)
        await rows.point(source, image, ra=ra, flux_jy=0.01 * (number + 1))
        sources.append(source)
    await rows.copy_statistics()
    return sources


async def test_streams_and_bands(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await observe(rows)
        cursor: dict[str, str] = {}
        names = []
        while cursor is not None:
            page = (await get(client, "streams", limit=500, **cursor)).json()
            names += [item["name"] for item in page["items"]]
            cursor = {"cursor": page["next"]} if page["next"] else None  # type: ignore[assignment]
        assert names.count(rows.stream) == 1
        (band,) = (await get(client, "bands", stream=rows.stream)).json()["items"]
        assert (band["freq_eff_hz"], band["stream"]) == (150e6, rows.stream)


async def test_a_table_has_the_columns_that_were_asked_for(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        wanted = {"stream": rows.stream, "format": "csv"}
        lines = (await get(client, "sources", columns="dec,id", **wanted)).text.splitlines()
        assert lines[0] == "dec,id"
        assert sorted(lines[1:]) == sorted(f"10.0,{source}" for source in sources)
        table = await get(client, "sources", columns="ra,id", **wanted | {"format": "votable"})
        assert parse_single_table(io.BytesIO(table.content)).array.dtype.names == ("ra", "id")
        for columns, words in (("id,nothing", "no 'nothing'"), ("id,id", "twice"), ("", "no ''")):
            refused = await client.get("/api/v1/sources", params={**wanted, "columns": columns})
            assert refused.status_code == 400
            assert words in refused.json()["detail"]
        plain = await client.get("/api/v1/sources", params={"columns": "id"})
        assert plain.status_code == 400


@pytest.mark.parametrize("path", ["sources", "transients", "images", "alerts", "detections"])
async def test_each_column_of_a_table_is_the_same_alone(postgres_url: str, path: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        image = await rows.connection.fetchval(
            "select first_image_key from source where id = $1", sources[0]
        )
        for number, source in enumerate(sources):
            transient = await rows.transient(source, image=image, snr=9.0 - number)
            await rows.alert(transient_id=transient, source_id=source, snr=9.0 - number)
        wanted = {"stream": rows.stream, "format": "csv"}
        text = (await get(client, path, **wanted)).text
        whole = list(csv.DictReader(io.StringIO(text)))
        assert whole
        for name in whole[0]:
            alone = (await get(client, path, columns=name, **wanted)).text
            assert list(csv.DictReader(io.StringIO(alone))) == [{name: row[name]} for row in whole]
        last = list(whole[0])[::-1]
        reversed_text = (await get(client, path, columns=",".join(last), **wanted)).text
        assert list(csv.DictReader(io.StringIO(reversed_text))) == whole


async def test_looks_at_a_place_are_paged_newest_first_with_their_depth(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        seen = {
            "wcs_header": fits.Header(list(CARDS.items())).tostring(sep="\n"), "width_px": 64,
            "height_px": 64, "field_radius_deg": 0.45, "field_ra": CARDS["CRVAL1"],
            "field_dec": CARDS["CRVAL2"], "margin_px": 0, "rms_grid_columns": 1,
            "rms_grid_cell_px": 64,
        }  # fmt: skip
        wanted = []
        for step in range(6):
            image = await rows.image(step, rms_grid=[0.001 * (step + 1)], **seen)
            wanted.append((image, 0.001 * (step + 1)))
        await rows.image(9, verdict="rejected", reasons=["too_noisy"], rms_grid=[1.0], **seen)
        await rows.image(10, rms_grid=[1.0], **seen | {"field_ra": 200.0})
        place = {"ra": CARDS["CRVAL1"], "dec": CARDS["CRVAL2"], "stream": rows.stream, "limit": 4}
        found, page = [], (await get(client, "looks", **place)).json()
        while page["items"] or page["next"]:
            found += [(each["id"], each["rms_local_jy_beam"]) for each in page["items"]]
            if not page["next"]:
                break
            page = (await get(client, "looks", **place, cursor=page["next"])).json()
        assert found == [(image, pytest.approx(rms)) for image, rms in wanted[::-1]]
        far = place | {"dec": CARDS["CRVAL2"] + 20}
        assert (await get(client, "looks", **far)).json() == {"items": [], "next": None}


async def test_coverage_is_paged_and_has_the_deepest_image_of_a_cell(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image, deeper = await rows.image(0), await rows.image(1, 120e6)
        for freq_eff_hz, cell, key, rms in (
            (150e6, 70, image, 2e-3), (120e6, 70, deeper, 1e-3), (150e6, 71, image, 3e-3),
        ):  # fmt: skip
            await rows.connection.execute(
                "insert into sky_coverage values ($1, 'I', $2, $3, $4)",
                await rows.band(freq_eff_hz), cell, key, rms,
            )  # fmt: skip
        first = (await get(client, "coverage", stream=rows.stream, limit=1)).json()
        assert first["items"] == [
            {"cell": 70, "image": deeper, "rms_jy_beam": 1e-3, "freq_eff_hz": 120e6, "stokes": "I"}
        ]
        rest = await get(client, "coverage", stream=rows.stream, cursor=first["next"])
        assert [each["cell"] for each in rest.json()["items"]] == [71]
        one = (await get(client, "coverage", stream=rows.stream, band=150.5e6)).json()["items"]
        assert [each["image"] for each in one] == [image, image]
        refused = await client.get("/api/v1/coverage", params={"stream": "nobody"})
        assert refused.status_code == 404


async def test_detections_are_paged_and_filtered(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        later = await rows.image(1)
        await rows.point(sources[0], later, extraction_type="forced", ra=359.9, flux_jy=0.5)
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"stream": rows.stream, "limit": 3}
        while True:
            page = (await get(client, "detections", **query)).json()
            found += page["items"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert [each["source_id"] for each in found] == [sources[0], *sources[::-1]]

        async def count(**more: Any) -> int:
            answer = await get(client, "detections", stream=rows.stream, **more)
            return len(answer.json()["items"])

        assert await count(extraction_type="forced") == 1
        assert await count(min_snr=25) == 2
        assert await count(until=START.isoformat().replace("+00:00", "Z")) == 0
        assert await count(ra=0, dec=10, radius_deg=0.05) == 1
        assert await count(ra=0, dec=10, radius_deg=0.15) == 4
        assert await count(band=170e6) == 0


async def test_every_kind_of_measurement_can_be_asked_for(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        allowed = await rows.connection.fetchval(
            "select pg_get_constraintdef(oid) from pg_constraint "
            "where conrelid = 'detection'::regclass "
            "and conname = 'detection_extraction_type_check'"
        )
        kinds = re.findall(r"'(\w+)'::text", allowed)
        source = await rows.source(10.0, 10.0, image=await rows.image(0))
        for step, kind in enumerate(kinds):
            await rows.point(source, await rows.image(step + 1), extraction_type=kind)
        assert "lookback" in kinds
        for kind in kinds:
            query = {"stream": rows.stream, "extraction_type": kind}
            items = (await get(client, "detections", **query)).json()["items"]
            assert [each["extraction_type"] for each in items] == [kind]
            rows_read = csv.DictReader(
                io.StringIO((await get(client, "detections", format="csv", **query)).text)
            )
            assert [each["extraction_type"] for each in rows_read] == [kind]
        # Whatever else takes such a parameter takes every kind, too.
        paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
        enums = [
            option["enum"]
            for path in paths.values()
            for operation in path.values()
            for parameter in operation.get("parameters", [])
            if parameter["name"] == "extraction_type"
            for option in parameter["schema"]["anyOf"]
            if "enum" in option
        ]
        assert len(enums) >= 2
        assert all(set(each) == set(kinds) for each in enums)


async def test_an_image_has_its_rms_and_its_measurements(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        (image,) = (await get(client, "images", stream=rows.stream)).json()["items"]
        answer = await get(client, f"images/{image['image_id']}/rms")
        assert np.allclose(answer.json()["rms_jy_beam"][1], [0.003, 0.004])
        assert answer.json()["rms_jy_beam"][0][1] is None
        again = await client.get(
            f"/api/v1/images/{image['id']}/rms", headers={"If-None-Match": answer.headers["etag"]}
        )
        assert again.status_code == 304
        listed = (await get(client, f"images/{image['id']}/sources")).json()["items"]
        assert [each["source_id"] for each in listed] == sources
        regions = (await get(client, f"images/{image['id']}/sources", format="ds9")).text
        assert regions.count("ellipse(") == 3
        assert 'ellipse(0.0000000,10.0000000,100.000",90.000",90.00)' in regions


async def test_a_source_has_its_gaps(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source, *_ = await observe(rows)
        images = [await rows.image(step) for step in range(1, 4)]
        for image in images:
            await rows.connection.execute(
                "insert into forced_gap values ($1, $2, $3, 'confused')",
                rows.stream_id, image, source,
            )  # fmt: skip
        page = (await get(client, f"sources/{source}/gaps", limit=2)).json()
        assert [each["id"] for each in page["items"]] == images[:0:-1]
        assert {each["reason"] for each in page["items"]} == {"confused"}
        rest = (await get(client, f"sources/{source}/gaps", cursor=page["next"])).json()
        assert [each["id"] for each in rest["items"]] == images[:1]


@pytest.mark.parametrize("name", ["sources", "transients", "images", "alerts", "detections"])
async def test_a_list_is_the_same_in_every_format(postgres_url: str, name: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        image = await rows.image(5)
        for source in sources:
            transient = await rows.transient(source, image=image)
            await rows.alert(transient_id=transient)
        items = (await get(client, name, stream=rows.stream)).json()["items"]
        key = "source_id" if name == "detections" else "id"
        wanted = [item[key] for item in items]
        assert len(wanted) > 1
        votable = await get(client, name, stream=rows.stream, format="votable")
        table = parse_single_table(io.BytesIO(votable.content), verify="exception").array
        assert table[key].tolist() == wanted
        assert votable.headers["x-livetrap-query"].startswith(f"/api/v1/{name}?stream=")
        assert f'livetrap-{name}.vot"' in votable.headers["content-disposition"]
        rows_in_parquet = parquet.read_table(
            io.BytesIO((await get(client, name, stream=rows.stream, format="parquet")).content)
        ).to_pylist()
        assert [row[key] for row in rows_in_parquet] == wanted
        lines = (await get(client, name, stream=rows.stream, format="csv")).text.splitlines()
        assert len(lines) == len(wanted) + 1
        one = (await get(client, name, stream=rows.stream, format="csv", limit=1)).text
        assert len(one.splitlines()) == 2


async def test_a_cone_search_says_what_rest_says(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await observe(rows)
        await rows.transient(sources[0], image=await rows.image(5), ra=359.9)
        cone = {"ra": 0, "dec": 10, "radius_deg": 0.15}
        listed = (await get(client, "sources", **cone, limit=500)).json()["items"]
        answer = await client.get("/vo/scs?RA=0&DEC=10&SR=0.15&VERB=3")
        # Cone search wants the UCDs of the first version, which astropy's strict mode refuses.
        document = parse(io.BytesIO(answer.content), verify="ignore")
        table = document.get_first_table()
        assert table.array["id"].tolist() == [item["id"] for item in listed]
        assert {"ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"} <= {f.ucd for f in table.fields}
        assert document.resources[0].infos[0].value == "OK"
        few = await client.get("/vo/scs?ra=0&dec=10&sr=0.15&MAXREC=1&VERB=1")
        assert b'value="OVERFLOW"' in few.content
        assert len(parse_single_table(io.BytesIO(few.content)).array) == 1
        columns = await client.get("/vo/scs?RA=0&DEC=10&SR=0")
        assert len(parse_single_table(io.BytesIO(columns.content)).array) == 0
        transients = await client.get("/vo/scs/transients?RA=359.9&DEC=10&SR=0.01")
        assert len(parse_single_table(io.BytesIO(transients.content)).array) >= 1


@pytest.mark.parametrize(
    ("query", "words"),
    [("", "RA"), ("RA=1&DEC=1", "SR"), ("RA=x&DEC=1&SR=1", "RA"), ("RA=1&DEC=99&SR=1", "DEC"),
     ("RA=1&DEC=1&SR=1&VERB=9", "VERB"), ("RA=1&DEC=1&SR=1&MAXREC=-1", "MAXREC")],
)  # fmt: skip
async def test_a_wrong_cone_search_is_answered_in_words(
    postgres_url: str, query: str, words: str
) -> None:
    async with client_of(postgres_url) as client:
        answer = await client.get(f"/vo/scs?{query}")
    infos = {each.name: each for each in parse(io.BytesIO(answer.content)).resources[0].infos}
    assert infos["QUERY_STATUS"].value == "ERROR"
    assert words in infos["Error"].value


async def test_vosi_names_the_services(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        assert "<vosi:available>true" in (await client.get("/vo/availability")).text
        assert "http://api/vo/scs?</accessURL>" in (await client.get("/vo/capabilities")).text


async def test_a_source_knows_its_relations(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        first, second, third = await observe(rows)
        image = await rows.image(1)
        child = await rows.source(0.0, 10.01, image=image, parent_source_id=second)
        grandchild = await rows.source(0.0, 10.5, image=image, parent_source_id=child)
        number = await rows.point(first, image)
        await rows.connection.execute(
            "insert into shared_detection select $1, time_start, image_key, source_number, 1 "
            "from detection where stream_id = $2 and image_key = $3 and source_number = $4",
            child, rows.stream_id, image, number,
        )  # fmt: skip

        async def relations(source: int, **query: Any) -> dict[int, list[str]]:
            items = (await get(client, f"sources/{source}/related", **query)).json()["items"]
            distances = [item["separation_arcsec"] for item in items]
            assert distances == sorted(distances)
            return {item["id"]: item["relations"] for item in items}

        assert await relations(child) == {
            second: ["ancestor", "neighbour"], first: ["shared"], grandchild: ["child"],
        }  # fmt: skip
        assert await relations(grandchild) == {child: ["ancestor"], second: ["ancestor"]}
        assert await relations(third, radius_arcsec=400) == {
            second: ["neighbour"], child: ["neighbour"],
        }  # fmt: skip
