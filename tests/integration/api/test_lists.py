"""Lists: paging by key, cones at the seams of the sky, filters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import client_of


async def read_all(
    client: httpx.AsyncClient, path: str, between: Any = None, **parameters: Any
) -> list[dict[str, Any]]:
    """Follow `next` to the end, doing something between two pages."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(f"/api/v1/{path}", params=parameters | cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}
        if between is not None:
            await between()


async def test_pages_of_transients_skip_and_repeat_none_while_more_arrive(
    postgres_url: str,
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        same = datetime.now(UTC) - timedelta(hours=1)  # ties are broken by the id

        async def appear(time_detected: datetime) -> int:
            source = await rows.source(10.0, 10.0, image=image)
            return await rows.transient(source, image=image, time_detected=time_detected)

        before = [await appear(same) for _ in range(7)]
        items = await read_all(
            client, "transients", lambda: appear(datetime.now(UTC)), stream=rows.stream, limit=2
        )
        assert [item["id"] for item in items] == before[::-1]


@pytest.mark.parametrize("sort", ["id", "eta", "v", "n_datapoints", "last_time_start"])
async def test_pages_of_sources_hold_each_once_in_order(postgres_url: str, sort: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        for number in range(9):
            await rows.source(
                10.0 + number, 10.0, image=image, eta=float(number % 4), v=0.1 * (number % 3),
                n_datapoints=number % 5,
                last_time_start=datetime(2026, 1, 1, 0, 0, number % 4, 1, tzinfo=UTC),
            )  # fmt: skip
        await rows.copy_statistics()
        for cone in ({}, {"ra": 14, "dec": 10, "radius_deg": 20}):
            items = await read_all(
                client, "sources", stream=rows.stream, sort=sort, limit=2, **cone
            )
            assert len({item["id"] for item in items}) == len(items) == 9
            keys = [item[sort] for item in items]
            assert keys == sorted(keys, reverse=sort != "id")


@pytest.mark.parametrize(
    ("ra", "dec", "inside", "outside"),
    [
        (0.0, 0.0, [(359.6, 0.0), (0.4, 0.1)], [(359.4, 0.0), (180.0, 0.0)]),
        (359.9, -45.0, [(0.3, -45.0), (359.4, -45.2)], [(1.2, -45.0)]),
        (12.0, 90.0, [(200.0, 89.7), (12.0, 90.0), (359.9, 89.6)], [(12.0, 89.4)]),
        (0.0, -89.8, [(180.0, -89.8), (0.0, -89.4)], [(180.0, -89.6)]),
    ],
)
async def test_a_cone_is_a_circle_everywhere(
    postgres_url: str,
    ra: float,
    dec: float,
    inside: list[tuple[float, float]],
    outside: list[tuple[float, float]],
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        wanted = [await rows.source(*place, image=image) for place in inside]
        others = [await rows.source(*place, image=image) for place in outside]
        cone = {"ra": ra, "dec": dec, "radius_deg": 0.5, "stream": rows.stream}
        assert [item["id"] for item in await read_all(client, "sources", **cone)] == wanted
        everything = await read_all(client, "sources", **(cone | {"radius_deg": 180}))
        assert [item["id"] for item in everything] == wanted + others


async def test_a_cone_holds_for_transients_and_alerts_too(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        near = await rows.source(0.1, 10.0, image=image)
        far = await rows.source(9.0, 10.0, image=image)
        found = await rows.transient(near, image=image, ra=0.1)
        await rows.transient(far, image=image, ra=9.0)
        alert = await rows.alert(ra=0.1, transient_id=found)
        await rows.alert(ra=9.0)
        cone = {"ra": 359.9, "dec": 10, "radius_deg": 0.3, "stream": rows.stream}
        (item,) = await read_all(client, "transients", **cone)
        assert item["id"] == found
        assert [alert["id"] for alert in item["alerts"]] == [alert]
        assert [each["id"] for each in await read_all(client, "alerts", **cone)] == [alert]


async def test_filters_of_alerts(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        first = await rows.alert(trig_id="family", snr=9.0)
        last = await rows.alert(trig_id="family", alert_type="retraction", revision=1, snr=30.0)

        async def ids(**filters: Any) -> list[int]:
            items = await read_all(client, "alerts", stream=rows.stream, **filters)
            return [item["id"] for item in items]

        assert await ids(trig_id="family") == [last, first]
        assert await ids(min_snr=10) == await ids(state="retracted") == [last]
        assert await ids(state="active") == [first]
        assert await ids(kind="variable") == await ids(until="2001-01-01") == []


async def test_a_source_has_position_errors_and_bands(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await add_source_with_band(rows)
        item = (await client.get(f"/api/v1/sources/{source}")).json()
        # 1 arcsec of statistics, 10 of systematics.
        assert item["ra_err_deg"] == pytest.approx(101**0.5 / 3600)
        (band,) = item["bands"]
        assert (band["freq_eff_hz"], band["n_datapoints"], band["flux_int_max_jy"]) == (
            150e6, 3, 4.0,
        )  # fmt: skip
        assert band["eta"] == pytest.approx(7.0)
        assert band["v"] == pytest.approx((2.0 / 2) ** 0.5 / 3.0)
        assert item["first_time_start"].endswith("Z")


async def add_source_with_band(rows: Rows) -> int:
    source = await rows.source(10.0, 10.0, image=await rows.image(0), n_datapoints=3)
    moments = {
        "source_id": source, "band_id": await rows.band(150e6), "stokes": "I", "n_datapoints": 3,
        "flux_int_mean_jy": 3.0, "flux_int_m2": 2.0, "flux_int_weight": 1.0,
        "flux_int_wmean_jy": 3.0, "flux_int_wm2": 14.0, "flux_peak_mean_jy_beam": 3.0,
        "flux_peak_m2": 2.0, "flux_peak_weight": 1.0, "flux_peak_wmean_jy_beam": 3.0,
        "flux_peak_wm2": 14.0, "flux_int_max_jy": 4.0,
    }  # fmt: skip
    places = ", ".join(f"${number + 1}" for number in range(len(moments)))
    await rows.connection.execute(
        f"insert into source_band ({', '.join(moments)}) values ({places})",  # noqa: S608
        *moments.values(),
    )
    return source


async def test_an_undefined_number_is_null(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await rows.image(0, warnings=["ignored_card EXPTIME"])
        await rows.image(1, verdict="rejected", reasons=["no_beam"], time_start=None)
        images = await read_all(client, "images", stream=rows.stream, limit=1)
        assert [image["verdict"] for image in images] == ["rejected", "accepted"]
        assert images[1]["rms_jy_beam"] is None
        assert [image["warnings"] for image in images] == [[], ["ignored_card EXPTIME"]]
        for name in (images[1]["id"], images[1]["image_id"]):
            assert (await client.get(f"/api/v1/images/{name}")).json() == images[1]


async def test_transients_are_bounded_by_each_of_their_quantities(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        transients = []
        for number in range(1, 5):
            source = await rows.source(
                10.0 + number, 10.0, image=image, eta=float(number), v=0.25 * number,
                n_datapoints=number,
            )  # fmt: skip
            row = {"snr": 10.0 * number, "flux_peak_jy_beam": 0.5 * number}
            transients.append(await rows.transient(source, image=image, **row))
        items = await read_all(client, "transients", stream=rows.stream)
        for name in ("snr", "flux_peak_jy_beam", "eta", "v", "n_datapoints"):
            values = sorted(item[name] for item in items)
            bounds = {f"min_{name}": values[1], f"max_{name}": values[2]}
            found = await read_all(client, "transients", stream=rows.stream, **bounds)
            assert sorted(item["id"] for item in found) == transients[1:3], name
            answer = await client.get(
                "/api/v1/transients", params={"stream": rows.stream, "format": "csv", **bounds}
            )
            assert len(answer.text.splitlines()) == 3, name
