"""`/references/{name}/completeness`: what of a reference catalogue the running catalogue has."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson
import pytest

from runtime.sql import load_statement
from sky.geometry import probe_zones, zone_of
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import client_of

PLACES = [(0.001, 10.1), (359.999, -10.1), (0.0, 0.0), (77.0, 89.999), (200.0, 90.0),
          (12.0, -89.99), (180.0, -90.0), (123.4, 45.4999), (123.4, -45.5001)]  # fmt: skip


async def add_references(rows: Rows, places: list[tuple[float, float]], flux_jy: float) -> str:
    """Insert a reference catalogue of the stream and return its name."""
    name = f"put-{rows.stream}"
    number = await rows.one("reference_catalogue", name=name, n_sources=len(places))
    await rows.connection.executemany(
        "insert into reference_source values ($1, $2, $3, $4, null, $5)",
        [(number, int(zone_of(dec)), ra, dec, flux_jy) for ra, dec in places],
    )
    return name


@pytest.mark.parametrize("radius_deg", [0.003, 0.26, 3.0, 95.0])
async def test_boxes_of_a_cone_are_those_of_the_cone_search(
    postgres_url: str, radius_deg: float
) -> None:
    async with rows_of(postgres_url) as rows:
        for ra, dec in PLACES:
            found = await rows.connection.fetch(
                "select * from cone_boxes($1, $2, $3) order by zone, ra_low", ra, dec, radius_deg
            )
            boxes = probe_zones(np.array([ra]), np.array([dec]), radius_deg)
            assert [row["zone"] for row in found] == boxes.zone.tolist()
            edges = [(row["ra_low"], row["ra_high"]) for row in found]
            expected = np.column_stack([boxes.ra_low, boxes.ra_high])
            assert np.array(edges) == pytest.approx(expected, abs=1e-6)


async def test_sources_are_found_across_0h_and_at_the_poles(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        name = await add_references(rows, PLACES, 0.2)
        beside = [((ra + 0.002) % 360, dec) for ra, dec in PLACES[:3]]
        over_the_pole = [(257.0, 89.999), (20.0, 89.995), (192.0, -89.999), (5.0, -89.995)]
        others = [(123.4, 45.5002), (123.4, -45.4999)]
        for ra, dec in beside + over_the_pole + others:
            await rows.source(ra, dec, image=image)
        answer = await client.get(
            f"/api/v1/references/{name}/completeness",
            params={"stream": rows.stream, "radius_arcsec": 60},
        )
        (row,) = answer.json()["items"]
        assert (row["n_injected"], row["n_found"]) == (9, 9)


async def test_sources_of_the_same_declination_elsewhere_are_not_read(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows:
        image = await rows.image(0)
        for ra in np.linspace(20, 340, 200):
            await rows.source(float(ra), 30.0, image=image)
        name = await add_references(rows, [(0.0, 30.0), (10.0, 30.0), (20.0, 30.0)], 0.2)
        parameters = {"catalogue": name, "stream": rows.stream, "radius_arcsec": 60.0,
                      "bins_per_decade": 8, "limit": 20_000}  # fmt: skip
        statement = load_statement("api", "list_completeness")
        async with rows.connection.transaction():
            await rows.connection.execute("set local enable_seqscan = off")
            plan = await rows.connection.fetchval(
                f"explain (analyze, format json) {statement.text}",
                *statement.to_arguments(parameters, missing_is_null=True),
            )
        # Rows of a node are those of a loop, rounded.
    assert sum(read_rows(orjson.loads(plan)[0]["Plan"], "source")) == pytest.approx(1, abs=0.1)


def read_rows(node: Mapping[str, Any], table: str) -> Iterator[float]:
    """Give how many rows of a table each node of a plan has read."""
    if node.get("Relation Name") == table:
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        yield rows * node["Actual Loops"]
    for child in node.get("Plans", []):
        yield from read_rows(child, table)
