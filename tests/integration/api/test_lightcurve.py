"""Light curves: a source's own points, those it shares, those it inherited."""

import csv
import io
import math
from datetime import datetime, timedelta

import httpx
import pytest
from astropy.io.votable import parse_single_table

from api.handlers.paging import encode_cursor
from api.models.lightcurves import LightCurve, LightCurvePoint
from tests.support.api_rows import START, Rows, rows_of
from tests.support.api_service import client_of


async def family(rows: Rows) -> tuple[int, int, int]:
    """Return a source, the child that split off in step 2, and a grandchild of step 4.

    Fluxes identify the step: the n-th is n mJy. The parent continues beside its child.
    """
    images = [await rows.image(step) for step in range(6)]
    starts = [
        await rows.connection.fetchval("select time_start from image where image_key = $1", image)
        for image in images
    ]
    parent = await rows.source(10.0, 10.0, image=images[0])
    child = await rows.source(
        10.0, 10.01, image=images[2], parent_source_id=parent, first_image_key=images[2],
        first_time_start=starts[2],
    )  # fmt: skip
    grandchild = await rows.source(
        10.0, 10.02, image=images[4], parent_source_id=child, first_image_key=images[4],
        first_time_start=starts[4],
    )  # fmt: skip
    for step, image in enumerate(images):
        await rows.point(parent, image, step * 1e-3)
    for step in range(2, 6):
        await rows.point(child, images[step], (10 + step) * 1e-3)
    for step in range(4, 6):
        number = await rows.point(grandchild, images[step], (20 + step) * 1e-3)
        if step == 5:  # the child has this measurement as well
            await rows.connection.execute(
                "insert into shared_detection values ($1, $2, $3, $4, 1.0)",
                child, starts[step], images[step], number,
            )  # fmt: skip
    return parent, child, grandchild


async def test_history_is_inherited_up_the_chain_and_points_are_shared(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        expected = [[0, 1, 2, 3, 4, 5], [0, 1, 12, 13, 14, 15, 25], [0, 1, 12, 13, 24, 25]]
        for source, fluxes in zip(await family(rows), expected, strict=True):
            body = (await client.get(f"/api/v1/sources/{source}/lightcurve")).json()
            assert body["source_id"] == source
            assert sorted(round(1e3 * each["flux_int_jy"]) for each in body["points"]) == fluxes
            times = [point["time_start"] for point in body["points"]]
            assert times == sorted(times)


async def test_a_split_inherits_the_earlier_bands_of_its_timestep(
    postgres_url: str,
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        low, high = await rows.image(0, 120e6), await rows.image(0, 150e6)
        parent = await rows.source(10.0, 10.0, image=low)
        child = await rows.source(10.0, 10.01, image=high, parent_source_id=parent)
        await rows.point(parent, low, 1e-3)
        await rows.point(parent, high, 2e-3)
        await rows.point(child, high, 3e-3)
        body = (await client.get(f"/api/v1/sources/{child}/lightcurve")).json()
        assert [round(1e3 * each["flux_int_jy"]) for each in body["points"]] == [1, 3]


@pytest.mark.parametrize(("band", "n"), [(None, 4), (150e6, 2), (149e6, 2), (130e6, 0)])
async def test_a_band_is_selected_by_its_centre(
    postgres_url: str, band: float | None, n: int
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await rows.source(10.0, 10.0, image=await rows.image(0))
        for step in (1, 2):
            for freq_eff_hz in (150e6, 120e6):
                await rows.point(source, await rows.image(step, freq_eff_hz))
        parameters = {} if band is None else {"band": band}
        body = (await client.get(f"/api/v1/sources/{source}/lightcurve", params=parameters)).json()
        places = [(point["time_start"], point["freq_eff_hz"]) for point in body["points"]]
        assert len(places) == n
        assert places == sorted(places)


async def test_the_same_points_in_every_format(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0, exposure_s=None)
        source = await rows.source(10.0, 10.0, image=image)
        await rows.point(source, image, quality_flags=5)
        address = f"/api/v1/sources/{source}/lightcurve"
        (point,) = (await client.get(address)).json()["points"]
        assert point["exposure_s"] is None
        assert len(point["image_id"]) == 64

        text = await client.get(address, params={"format": "csv"})
        assert text.headers["content-type"].startswith("text/csv")
        (row,) = csv.DictReader(io.StringIO(text.text))
        assert set(row) == set(point)
        assert float(row["flux_int_jy"]) == point["flux_int_jy"]
        assert datetime.fromisoformat(row["time_start"]) == datetime.fromisoformat(
            point["time_start"]
        )

        votable = await client.get(address, params={"format": "votable"})
        assert votable.headers["content-type"].startswith("application/x-votable+xml")
        table = parse_single_table(io.BytesIO(votable.content))
        assert table.get_field_by_id("flux_int_jy").unit == "Jy"
        assert table.get_field_by_id("ra").ucd == "pos.eq.ra"
        assert table.array["quality_flags"][0] == 5
        assert table.array["image_id"][0] == point["image_id"]


async def test_numbers_survive_and_undefined_ones_are_null(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        moment = START + timedelta(microseconds=40)
        image = await rows.image(0, exposure_s=0.1 + 0.2, time_start=moment)
        source = await rows.source(10.0, 10.0, image=image)
        values = {
            "flux_int_jy": -1.2345678901234567e-5, "flux_int_err_jy": math.inf,
            "flux_peak_jy_beam": math.nan, "snr": -math.inf, "quality_flags": 2**40,
        }  # fmt: skip
        await rows.point(source, image, **values)
        address = f"/api/v1/sources/{source}/lightcurve"
        (point,) = LightCurve.model_validate_json((await client.get(address)).content).points
        assert point.time_start == moment
        assert point.exposure_s == 0.1 + 0.2
        assert point.flux_int_jy == values["flux_int_jy"]
        assert point.quality_flags == 2**40
        assert (
            point.flux_int_err_jy is point.flux_peak_jy_beam is point.snr is point.p_false is None
        )
        text = (await client.get(address, params={"format": "csv"})).text
        (row,) = csv.DictReader(io.StringIO(text))
        assert list(row) == list(LightCurvePoint.model_fields)
        assert row["time_start"] == "2026-11-23T20:00:00.000040Z"
        assert row["p_false"] == ""
        for name in ("flux_int_jy", "flux_int_err_jy", "snr"):
            assert float(row[name]) == values[name]
        assert math.isnan(float(row["flux_peak_jy_beam"]))


async def test_an_empty_light_curve_is_an_empty_table(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await rows.source(10.0, 10.0, image=await rows.image(0))
        address = f"/api/v1/sources/{source}/lightcurve"
        assert (await client.get(address)).json()["points"] == []
        for format_ in ("csv", "votable"):
            assert (await client.get(address, params={"format": format_})).status_code == 200


async def read_pages(
    client: httpx.AsyncClient, source: int, **parameters: object
) -> list[list[dict[str, object]]]:
    """Follow `next` to the end; return the points of each page."""
    pages = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(
            f"/api/v1/sources/{source}/lightcurve", params=parameters | cursor
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        pages.append(body["points"])
        if body["next"] is None:
            return pages
        cursor = {"cursor": body["next"]}


async def several_bands(rows: Rows) -> int:
    """Return a source with three points at each of seven times, in two bands."""
    source = await rows.source(10.0, 10.0, image=await rows.image(0))
    for step in range(7):
        for freq_eff_hz, stokes in ((150e6, "I"), (120e6, "V"), (120e6, "I")):
            await rows.point(source, await rows.image(step, freq_eff_hz), stokes=stokes)
    return source


@pytest.mark.parametrize("limit", [1, 2, 5, 21, 100])
async def test_pages_hold_each_point_once_in_order(postgres_url: str, limit: int) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await several_bands(rows)
        (whole,) = await read_pages(client, source)
        pages = await read_pages(client, source, limit=limit)
        assert [point for page in pages for point in page] == whole
        assert len(whole) == 21
        assert {len(page) for page in pages[:-1]} <= {limit}
        assert len({point["image_id"] for point in whole}) == 21
        keys = [(point["time_start"], point["freq_eff_hz"], point["stokes"]) for point in whole]
        assert keys == sorted(keys)


async def test_a_point_that_arrives_between_two_pages_repeats_none(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await several_bands(rows)
        address = f"/api/v1/sources/{source}/lightcurve"
        first = (await client.get(address, params={"limit": 10})).json()
        await rows.point(source, await rows.image(0, 100e6))
        await rows.point(source, await rows.image(9))
        rest = (await client.get(address, params={"cursor": first["next"]})).json()
        (whole,) = await read_pages(client, source)
        assert first["points"] + rest["points"] == whole[1:]


async def test_the_newest_points_alone(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        for source in await family(rows):
            (whole,) = await read_pages(client, source)
            for newest in (1, 3, 100):
                (points,) = await read_pages(client, source, newest=newest)
                times = [point["time_start"] for point in whole]
                assert [point["time_start"] for point in points] == times[-newest:]
        source = await several_bands(rows)
        (points,) = await read_pages(client, source, newest=2, band=150e6)
        assert [point["freq_eff_hz"] for point in points] == [150e6, 150e6]
        text = await client.get(
            f"/api/v1/sources/{source}/lightcurve", params={"newest": 3, "format": "csv"}
        )
        assert len(text.text.splitlines()) == 4


async def test_a_page_has_10_000_points_at_most(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        source = await rows.source(10.0, 10.0, image=image)
        await rows.many_points(source, image, 10_001)
        pages = await read_pages(client, source)
        assert [len(page) for page in pages] == [10_000, 1]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"limit": 10_001}, "10000"),
        ({"limit": 0}, "limit"),
        ({"newest": 0}, "newest"),
        ({"format": "csv", "limit": 10}, "csv is not paged"),
        ({"format": "votable", "cursor": "x"}, "votable is not paged"),
        ({"cursor": "rubbish"}, "leave it out"),
        ({"cursor": encode_cursor("yesterday", 1.0, "I", 1, 1)}, "leave it out"),
        ({"cursor": encode_cursor(START, 1.0, "I", 1)}, "leave it out"),
        ({"cursor": encode_cursor(START, 1.0, "I", 1, 2**40)}, "value of a parameter"),
    ],
)
async def test_wrong_paging_is_explained(
    postgres_url: str, parameters: dict[str, str], words: str
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await rows.source(10.0, 10.0, image=await rows.image(0))
        answer = await client.get(f"/api/v1/sources/{source}/lightcurve", params=parameters)
        assert answer.status_code == 400
        assert words in answer.json()["detail"]


async def test_points_are_selected_by_how_they_were_measured(postgres_url: str) -> None:
    kinds = ["lookback", "lookback", "blind", "forced", "monitor"]
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await rows.source(10.0, 10.0, image=await rows.image(0))
        for step, kind in enumerate(kinds, 1):
            await rows.point(source, await rows.image(step), extraction_type=kind)
        address = f"/api/v1/sources/{source}/lightcurve"
        for kind in set(kinds):
            for newest in (None, 1):
                asked = {"extraction_type": kind} | ({} if newest is None else {"newest": newest})
                points = (await client.get(address, params=asked)).json()["points"]
                assert {each["extraction_type"] for each in points} == {kind}
                assert len(points) == (newest or kinds.count(kind))
        refused = await client.get(address, params={"extraction_type": "other"})
        assert refused.status_code == 400
