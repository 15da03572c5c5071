"""Bounds and orders of the lists of images and transients."""

import math
from datetime import timedelta

import httpx
import pytest

from tests.support.api_rows import START, rows_of
from tests.support.api_service import client_of
from tests.support.query_plans import plan_of

_PATH = "/api/v1/images"


async def listed(client: httpx.AsyncClient, path: str = _PATH, **asked: object) -> list[int]:
    """Return the numbers of the images, or of others, of all pages."""
    found: list[int] = []
    cursor = None
    while True:
        page = {} if cursor is None else {"cursor": cursor}
        answer = await client.get(path, params={"limit": 2, **asked, **page})
        assert answer.status_code == 200, answer.text
        found += [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_images_are_listed_within_bounds_in_both_orders(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        images = [
            await rows.image(
                step,
                60e6 * (1 + step % 2),
                rms_jy_beam=rms,
                exposure_s=float(step),
                n_sources=step,
            )
            for step, rms in enumerate((0.1, 0.2, 0.3, math.nan, 0.5))
        ]
        of_stream = {"stream": rows.stream}
        everything = await listed(client)
        assert everything == sorted(everything, reverse=True)
        assert set(images) <= set(everything)
        assert await listed(client, **of_stream) == images[::-1]
        assert await listed(client, **of_stream, order="asc") == images
        for bounds, wanted in (
            ({"min_rms_jy_beam": 0.2}, [1, 2, 4]),
            ({"max_rms_jy_beam": 0.3}, [0, 1, 2]),
            ({"min_exposure_s": 1, "max_exposure_s": 3}, [1, 2, 3]),
            ({"min_freq_eff_hz": 1e8}, [1, 3]),
            ({"max_freq_bw_hz": 1e6}, []),
            ({"min_n_sources": 4}, [4]),
        ):
            found = await listed(client, **of_stream, **bounds, order="asc")
            assert found == [images[number] for number in wanted], bounds
        table = await client.get(
            _PATH, params={**of_stream, "order": "asc", "min_n_sources": 3, "format": "csv"}
        )
        ids = [line.partition(",")[0] for line in table.text.splitlines() if line[:1].isdigit()]
        assert ids == [str(image) for image in images[3:]]


async def test_images_are_ordered_by_each_column(postgres_url: str) -> None:
    columns = ("rms_jy_beam", "exposure_s", "freq_eff_hz", "freq_bw_hz", "beam_major_deg",
               "field_radius_deg")  # fmt: skip
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        values = [3.0, 1.0, 2.0, 2.0, math.inf]
        images = [
            await rows.image(step, n_sources=10 - step, **dict.fromkeys(columns, value))
            for step, value in enumerate(values)
        ]
        blank = await rows.image(9, n_sources=0)
        await rows.connection.execute(
            f"update image set {', '.join(f'{name} = null' for name in columns)} "  # noqa: S608
            "where image_key = $1",
            blank,
        )
        rising = [images[number] for number in (1, 2, 3, 0, 4)]
        of_stream = {"stream": rows.stream}
        for column in columns:
            asked = {**of_stream, "sort": column}
            assert await listed(client, **asked, order="asc") == rising, column
            assert await listed(client, **asked) == rising[::-1], column
        for column, wanted in (
            ("n_sources", [blank, *images[::-1]]),
            ("time_start", [*images, blank]),
            ("id", [*images, blank]),
        ):
            asked = {**of_stream, "sort": column}
            assert await listed(client, **asked, order="asc") == wanted, column
            assert await listed(client, **asked) == wanted[::-1], column
        page = await client.get(_PATH, params={**of_stream, "sort": "rms_jy_beam", "limit": 1})
        other = {**of_stream, "sort": "exposure_s", "cursor": page.json()["next"]}
        assert (await client.get(_PATH, params=other)).status_code == 400


async def test_transients_are_ordered_by_each_column(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        transients = []
        for number in range(4):
            source = await rows.source(
                10.0, 10.0, image=image, eta=float(number), v=0.1 * number, n_datapoints=number + 1
            )
            transients.append(
                await rows.transient(
                    source,
                    image=image,
                    time_detected=START + timedelta(seconds=number),
                    snr=5.0 + number,
                    flux_peak_jy_beam=0.1 + number,
                )
            )
        path, of_stream = "/api/v1/transients", {"stream": rows.stream}
        for column in ("snr", "flux_peak_jy_beam", "eta", "v", "n_datapoints", "time_detected"):
            asked = {**of_stream, "sort": column}
            assert await listed(client, path, **asked, order="asc") == transients, column
            assert await listed(client, path, **asked) == transients[::-1], column
            within = {**asked, "min_snr": 6, "order": "asc"}
            assert await listed(client, path, **within) == transients[1:], column


async def test_images_are_listed_by_index_in_every_order(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, rows.connection.transaction():
        await rows.connection.execute(
            "insert into image (image_id, stream_id, verdict, reasons, n_sources, rms_jy_beam, "
            "time_start, kafka_cluster_id, kafka_topic, kafka_partition, kafka_offset, "
            "time_associated) select n, $1, 'accepted', '{}', n, n, now() + n * interval '1 s', "
            "'c', 't', 0, n, now() from generate_series(1, 5000) as n", rows.stream_id,
        )  # fmt: skip
        await rows.connection.execute("analyze image")
        for mode in ("force_generic_plan", "force_custom_plan"):
            for asked in ({}, {"before_id": 3000}, {"id": 7}, {"image_id": "7"}):
                plan = await plan_of(rows.connection, "list_images", mode, {"limit": 50, **asked})
                assert "using image_pkey on image" in plan, plan
                assert "Seq Scan on image" not in plan, plan
        for sort, index in (
            ("id", "image_pkey"),
            ("time_start", "image_time_start_image_key_idx"),
            ("rms_jy_beam", "image_rms_jy_beam_image_key_idx"),
            ("n_sources", "image_n_sources_image_key_idx"),
        ):
            for is_ascending in (True, False):
                asked = {"sort": sort, "is_ascending": is_ascending, "limit": 50}
                plan = await plan_of(
                    rows.connection, "list_images_filtered", "force_custom_plan", asked
                )
                assert index in plan, plan
                assert "Seq Scan on image" not in plan, plan


@pytest.mark.parametrize(
    "asked", [{"order": "up"}, {"min_rms_jy_beam": "nan"}, {"min_n_sources": -1}, {"sort": "flux"}]
)
async def test_wrong_bounds_are_refused(postgres_url: str, asked: dict[str, object]) -> None:
    async with client_of(postgres_url) as client:
        assert (await client.get(_PATH, params=asked)).status_code == 400
