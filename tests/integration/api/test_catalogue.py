"""The catalogue by its statistics: filters, order, and the copy that they are made of."""

import asyncio
import math
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.models.base import Cone
from api.models.statistics import STATISTICS
from api.steps.catalogue import search_boxes, with_position_errors
from runtime.sql import load_statement
from tests.support.api_rows import START, Rows, rows_of
from tests.support.api_service import client_of
from tests.support.query_plans import plan_of


async def ids(client: httpx.AsyncClient, rows: Rows, **query: Any) -> list[int]:
    answer = await client.get("/api/v1/sources", params={"stream": rows.stream, **query})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def add_sources(rows: Rows) -> list[int]:
    """Insert four sources; every statistic of the n-th grows with n."""
    image = await rows.image(0)
    found, neighbours = [], []
    for number in range(1, 5):
        source = await rows.source(
            10.0 + number, 10.0, image=image, n_datapoints=2 * number, n_forced=number,
            eta=float(number), v=0.1 * number, first_time_start=START + timedelta(days=number),
            last_time_start=START + timedelta(days=number + 1), is_new=number > 2,
            is_variable=number < 2,
        )  # fmt: skip
        for freq_eff_hz, flux_jy in ((150e6, number), (300e6, number * 2 ** (0.01 * number))):
            await rows.connection.execute(
                "insert into source_band (source_id, band_id, stokes, n_datapoints, n_forced, "
                "flux_int_mean_jy, flux_int_m2, flux_int_weight, flux_int_wmean_jy, flux_int_wm2, "
                "flux_peak_mean_jy_beam, flux_peak_m2, flux_peak_weight, flux_peak_wmean_jy_beam, "
                "flux_peak_wm2, flux_int_max_jy) values ($1, $2, 'I', 2, 0, "
                "$3, $4, 1, $3, $3, $3, $4, 1, $3, $3, $3)",
                source, await rows.band(freq_eff_hz), float(flux_jy), float(number) ** 5,
            )  # fmt: skip
        await rows.point(source, image, flux_jy=0.01 * number)
        found.append(source)
        neighbours.append(await rows.source(10.0 + number, 10.0 + 0.01 * number, image=image))
    await rows.copy_statistics()
    await rows.connection.execute("delete from source where id = any($1)", neighbours)
    return found


async def test_the_nearest_source_is_found_at_0h_and_at_the_pole(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        places = [(359.99, 0.2), (0.01, 0.2), (10, 89.9), (190, 89.95), (100, -45.1), (100, -44.9),
                  (120, 10), (120, 10.3)]  # fmt: skip
        for ra, dec in places:
            await rows.source(ra, dec, image=image)
        await rows.copy_statistics()
        answer = await client.get("/api/v1/sources", params={"stream": rows.stream})
        found = [item["nearest_source_arcsec"] for item in answer.json()["items"]]
        assert found[-2:] == [None, None]
        expected = [72 * math.cos(math.radians(0.2))] * 2 + [540] * 2 + [720] * 2
        assert found[:-2] == pytest.approx(expected, rel=1e-6)
        query = {"sort": "nearest_source_arcsec", "limit": 4}
        ordered = await ids(client, rows, **query)
        assert len(ordered) == 4
        answer = await client.get("/api/v1/sources", params={"stream": rows.stream, **query})
        query["cursor"] = answer.json()["next"]
        assert len(await ids(client, rows, **query)) == 2


async def test_a_spectral_index_is_that_of_the_bands(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        steep = (await add_sources(rows))[-1]
        listed = await client.get(
            "/api/v1/sources", params={"stream": rows.stream, "min_spectral_index": 0.035}
        )
        (item,) = listed.json()["items"]
        whole = (await client.get(f"/api/v1/sources/{steep}")).json()
        assert item["id"] == steep
        assert item["spectral_index"] == pytest.approx(0.04, rel=1e-9)
        assert whole["spectral_index"] == pytest.approx(0.04, rel=1e-9)


async def test_states_filter_the_catalogue(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        wanted = {
            "candidate": await rows.source(11, 10, image=image),
            "confirmed": await rows.source(12, 10, image=image, n_datapoints=2),
            "dormant": await rows.source(13, 10, image=image, n_datapoints=2, is_dormant=True),
        }
        await rows.copy_statistics()
        for state, source in wanted.items():
            assert await ids(client, rows, state=state) == [source]
            assert await ids(client, rows, state=state, ra=12, dec=10, radius_deg=9) == [source]
        table = await client.get(
            "/api/v1/sources", params={"stream": rows.stream, "state": "dormant", "format": "csv"}
        )
        assert table.text.count("dormant") == 1
        answer = await client.get("/api/v1/sources", params={"state": "gone"})
        assert answer.status_code == 400


async def test_every_statistic_filters_and_orders(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        sources = await add_sources(rows)
        answer = await client.get("/api/v1/sources", params={"stream": rows.stream, "sort": "eta"})
        items = answer.json()["items"]
        assert answer.json()["as_of"].endswith("Z")
        for statistic in STATISTICS:
            name = statistic.name
            values = sorted(item[name] for item in items)
            assert len(set(values)) == 4, name
            bounds = {f"min_{name}": values[1], f"max_{name}": values[2]}
            assert await ids(client, rows, **bounds) == sources[1:3], name
            for cone in ({}, {"ra": 12, "dec": 10, "radius_deg": 9}):
                query = cone | {"sort": name}
                assert await ids(client, rows, **query) == sources[::-1], name
                assert await ids(client, rows, **query, order="asc") == sources, name
        assert await ids(client, rows, is_new=True) == sources[2:]
        assert await ids(client, rows, is_variable=True, ra=12, dec=10, radius_deg=9) == [
            sources[0]
        ]


async def test_pages_in_both_orders_hold_each_source_once(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        sources = [
            await rows.source(10.0, 10.0, image=image, eta=float(number // 3))
            for number in range(8)
        ]
        await rows.copy_statistics()
        for order in ("asc", "desc"):
            query: dict[str, Any] = {
                "stream": rows.stream,
                "sort": "eta",
                "order": order,
                "limit": 3,
            }
            found, cursor = [], None
            while True:
                more = {} if cursor is None else {"cursor": cursor}
                page = (await client.get("/api/v1/sources", params=query | more)).json()
                found += [item["id"] for item in page["items"]]
                cursor = page["next"]
                if cursor is None:
                    break
            assert found == (sources if order == "asc" else sources[::-1])
        first = (await client.get("/api/v1/sources", params=query)).json()["next"]
        wrong = await client.get("/api/v1/sources", params={"sort": "v", "cursor": first})
        assert wrong.status_code == 400
        assert "another order" in wrong.json()["detail"]


async def test_a_copy_follows_changes_and_deletions(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        first, *others = await add_sources(rows)
        await rows.connection.execute(
            "update source set eta = 99, n_datapoints = n_datapoints + 1 where id = $1", first
        )
        await rows.point(first, await rows.image(9_000_000 // 10), flux_jy=5.0)
        assert await ids(client, rows, min_eta=50) == []
        await rows.copy_statistics()
        assert await ids(client, rows, min_eta=50) == [first]
        assert await ids(client, rows, min_snr_max=4000) == [first]
        assert await ids(client, rows, min_flux_int_last_jy=4.9) == [first]
        await rows.connection.execute("select delete_stream($1)", rows.stream_id)
        n_left = await rows.connection.fetchval(
            "select count(*) from source_statistics where source_id = any($1)", [first, *others]
        )
        assert n_left == 0


async def test_the_service_copies_by_itself(postgres_url: str) -> None:
    async with (
        rows_of(postgres_url) as rows,
        client_of(postgres_url, statistics_refresh_s=0.05) as client,
    ):
        source = await rows.source(10.0, 10.0, image=await rows.image(0), eta=7.0)
        async with asyncio.timeout(60):
            while await ids(client, rows, min_eta=5) != [source]:  # noqa: ASYNC110  (polled)
                await asyncio.sleep(0.05)


async def test_a_list_by_eta_is_read_by_index_while_updates_of_sources_stay_hot(
    postgres_url: str,
) -> None:
    statement = load_statement("api", "list_sources_by_statistic")
    arguments = statement.to_arguments(
        {"sort": "eta", "is_ascending": False, "min_v": 0.5, "limit": 50}, missing_is_null=True
    )
    async with rows_of(postgres_url) as rows, rows.connection.transaction():
        image = await rows.image(0)
        await rows.connection.execute(
            "insert into source (stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, "
            "weight_dec, n_datapoints, eta, v, first_image_key, first_source_number, "
            "first_time_start, last_time_start) select $1, 0, n, 0, n, 0, 1, 1, 1, n, n, $2, 0, "
            "now(), now() from generate_series(1, 5000) as n", rows.stream_id, image,
        )  # fmt: skip
        await rows.connection.execute("analyze source")
        await rows.copy_statistics()
        await rows.connection.execute("analyze source_statistics")
        await rows.connection.execute("set local plan_cache_mode = force_custom_plan")
        plan = "\n".join(
            row[0] for row in await rows.connection.fetch(f"explain {statement.text}", *arguments)
        )
        assert "source_statistics_eta_source_id_idx" in plan, plan
        await rows.connection.execute("select pg_stat_force_next_flush()")
        indexed = await rows.connection.fetchval(
            "select string_agg(attname, ' ' order by attname) from pg_index "
            "inner join pg_attribute on attrelid = indrelid and attnum = any(indkey::int[]) "
            "where indrelid = 'source'::regclass"
        )
        assert "eta" not in indexed.split()


async def test_a_cone_in_an_order_is_read_by_the_index_of_positions(postgres_url: str) -> None:
    cone = search_boxes(Cone(2500.0 / 20, 0.0, 0.1))
    parameters = {**cone, "sort": "eta", "is_ascending": False, "min_v": 0.5, "limit": 50}
    async with rows_of(postgres_url) as rows, rows.connection.transaction():
        image = await rows.image(0)
        await rows.connection.execute(
            "insert into source (stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, "
            "weight_dec, n_datapoints, eta, v, first_image_key, first_source_number, "
            "first_time_start, last_time_start) select $1, 0, n / 20.0, 0, n / 20.0, 0, 1, 1, 1, "
            "n, n, $2, 0, now(), now() from generate_series(1, 5000) as n",
            rows.stream_id, image,
        )  # fmt: skip
        # First: a neighbour is looked for in each of 5000 sources of a table that seems empty.
        await rows.connection.execute("analyze source")
        await rows.copy_statistics()
        await rows.connection.execute("analyze source_statistics")
        plan = await plan_of(
            rows.connection, "list_sources_by_statistic", "force_custom_plan", parameters
        )
    assert "source_stream_id_zone_search_ra_search_dec_idx" in plan, plan
    assert "Seq Scan on source" not in plan, plan


async def test_bands_of_a_page_of_sources_are_read_by_index(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, rows.connection.transaction():
        image, band = await rows.image(0), await rows.band(150e6)
        await rows.connection.execute(
            "with added as (insert into source (stream_id, zone, search_ra, search_dec, ra, dec, "
            "weight_ra, weight_dec, n_datapoints, eta, v, first_image_key, first_source_number, "
            "first_time_start, last_time_start) select $1, 0, n, 0, n, 0, 1, 1, 2, n, n, $2, 0, "
            "now(), now() from generate_series(1, 5000) as n returning id) "
            "insert into source_band (source_id, band_id, stokes, n_datapoints, flux_int_mean_jy, "
            "flux_int_m2, flux_int_weight, flux_int_wmean_jy, flux_int_wm2, "
            "flux_peak_mean_jy_beam, flux_peak_m2, flux_peak_weight, flux_peak_wmean_jy_beam, "
            "flux_peak_wm2, flux_int_max_jy) "
            "select id, $3, 'I', 2, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1 from added",
            rows.stream_id, image, band,
        )  # fmt: skip
        await rows.connection.execute("analyze source_band")
        ids = await rows.connection.fetchval(
            "select array_agg(id) from (select id from source where stream_id = $1 limit 50)",
            rows.stream_id,
        )
        for mode in ("force_custom_plan", "force_generic_plan"):
            plan = await plan_of(rows.connection, "list_source_bands", mode, {"source_id": ids})
            assert "Seq Scan on source_band" not in plan, plan


@pytest.mark.parametrize(("query", "words"), [("sort=flux", "snr_max"), ("order=up", "asc")])
async def test_a_wrong_order_is_explained(postgres_url: str, query: str, words: str) -> None:
    async with client_of(postgres_url) as client:
        answer = await client.get(f"/api/v1/sources?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("columns", "n_calls"), [("id,ra,dec", 0), ("id,dec_err_deg", 1)])
async def test_errors_of_positions_are_computed_for_those_who_ask(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, columns: str, n_calls: int
) -> None:
    calls = []

    def count(row: Any) -> Any:
        calls.append(row["id"])
        return with_position_errors(row)

    monkeypatch.setattr("api.handlers.sources.with_position_errors", count)
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await rows.source(10.0, 10.0, image=await rows.image(0))
        await rows.copy_statistics()
        answer = await client.get(
            "/api/v1/sources",
            params={"stream": rows.stream, "format": "csv", "columns": columns},
        )
    names, values = answer.text.splitlines()[-2:]
    assert names == columns
    assert values.split(",")[0] == str(source)
    assert calls == [source] * n_calls
