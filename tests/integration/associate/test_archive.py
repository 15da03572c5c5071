"""The running catalogue follows the sky, not the noise."""

from dataclasses import replace

import httpx
import numpy as np
import pytest

from schemas.messages import ForcedMeasurements, ForcedRequest, ImageDetections
from tests.support.api_service import client_of
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

N_TRUE, N_FALSE, N_STEPS = 40, 3, 30
# Images detect from 10 mJy on; from 13 mJy on a source is certainly new.
FLUX_JY, FALSE_JY, RMS_JY = 0.02, 0.011, 1e-3


def places(rng: np.random.Generator, n: int) -> list[tuple[float, float]]:
    ra, dec = rng.uniform(117, 129, n), rng.uniform(4, 16, n)
    return list(zip(ra.tolist(), dec.tolist(), strict=True))


def answer(
    request: ForcedRequest, true: list[tuple[float, float]], rng: np.random.Generator
) -> ForcedMeasurements:
    """Return forced fluxes: those of the true sources, and noise elsewhere."""
    result, positions = measure(request), request.positions
    known = np.array(true)
    distance = np.hypot(
        positions.ra[:, None] - known[:, 0], positions.dec[:, None] - known[:, 1]
    ).min(axis=1)
    flux = np.where(distance < 0.02, FLUX_JY, 0.0) + rng.normal(0, RMS_JY, distance.size)
    return replace(result, measurements=replace(result.measurements, flux_peak_jy_beam=flux))


async def archived(case: Associator) -> list[dict[str, object]]:
    return await case.rows(
        "select archived_source.* from archived_source join stream on stream.id = stream_id "
        "where name = $1 order by id",
        case.stream,
    )


async def count_orphans(case: Associator) -> int:
    """Return how many rows that no foreign key guards belong to nothing."""
    [row] = await case.rows(
        "select (select count(*) from source_band where source_id not in (select id from source)"
        " or band_id not in (select id from band))"
        " + (select count(*) from null_detection where stream_id not in (select id from stream)"
        " or source_id not in (select id from source)) as n"
    )
    return int(row["n"])


async def test_false_peaks_leave_the_catalogue_and_true_sources_stay(postgres_url: str) -> None:
    rng = np.random.default_rng(5)
    true = places(rng, N_TRUE)
    async with associator(postgres_url) as case:
        n_false = 0
        for step in range(N_STEPS):
            # A tenth of the true sources is missed in each image.
            seen = [each for each in true if step == 0 or rng.random() > 0.1]
            false = places(rng, N_FALSE)
            n_false += len(false)
            flux_jy = [FLUX_JY] * len(seen) + [FALSE_JY] * len(false)
            measured = sources([*seen, *false], flux_jy=flux_jy, flux_err_jy=RMS_JY)
            await case.feed(image(step, measured))
            for request in case.requests:
                await store(case, answer(request, true, rng))
            case.requests.clear()
        rows = await case.sources()
        assert case.events == []
        assert len(rows) <= 1.2 * N_TRUE
        kept = np.array([(row["ra"], row["dec"]) for row in rows])
        for ra, dec in true:
            assert np.hypot(kept[:, 0] - ra, kept[:, 1] - dec).min() < 0.02
        gone = await archived(case)
        assert len(gone) >= 0.8 * n_false
        assert all(row["snr_forced"] < 5 for row in gone)
        assert await count_orphans(case) == 0
        assert await case.rows("select from source_band limit 1")
        await case.rows("select delete_stream(id) from stream where name = $1", case.stream)
        assert await count_orphans(case) == 0


@pytest.mark.parametrize(
    ("flux_jy", "settings", "is_kept"),
    [
        (0.0, {}, False),
        (0.0, {"candidate_sigma": 0.0, "archive_sigma": 0.0}, True),
        (0.008, {}, True),
    ],
)
async def test_a_source_that_was_seen_once_stays_if_forced_photometry_shows_it(
    postgres_url: str, flux_jy: float, settings: dict[str, float], *, is_kept: bool
) -> None:
    faint, steady = (123.5, 10.2), (123.0, 10.0)
    async with associator(postgres_url, expiration_timesteps=4, **settings) as case:
        await case.feed(image(0, [steady, faint]))
        [first] = [row for row in await case.sources() if row["ra"] > 123.2]
        for step in range(1, 7):
            await case.feed(image(step, [steady]))
            for request in case.requests:
                await store(case, measure(request, flux_jy))
            case.requests.clear()
        ids = [row["id"] for row in await case.sources()]
        assert (first["id"] in ids) is is_kept
        assert len(ids) == 1 + is_kept
        assert [row["id"] for row in await archived(case)] == ([] if is_kept else [first["id"]])


@pytest.mark.parametrize(
    ("peak_jy", "forced_jy", "is_kept"),
    [(0.0085, 0.0, False), (0.0085, 0.005, True), (0.0115, 0.0, True)],
)
async def test_two_faint_peaks_that_coincide_leave_though_they_were_announced(
    postgres_url: str, peak_jy: float, forced_jy: float, *, is_kept: bool
) -> None:
    steady, place = (123.0, 10.0), (123.5, 10.2)
    async with associator(postgres_url, new_source_sigma_margin=0.0) as case:
        threshold = {"detection_threshold_sigma": 8.0}
        await case.feed(image(0, [steady], **threshold))
        for step in range(1, 14):
            measured = [steady, place] if step <= 2 else [steady]
            flux_jy = [0.02, peak_jy][: len(measured)]
            columns = sources(measured, flux_jy=flux_jy, flux_err_jy=RMS_JY)
            await case.feed(image(step, columns, **threshold))
            while case.requests:
                for request in [case.requests.pop(0) for _ in range(len(case.requests))]:
                    await store(case, measure(request, forced_jy))
                await case.settle()
        assert [event.kind for event in case.events][:1] == ["new_source"]
        assert len(await case.sources()) == 1 + is_kept
        assert len(await archived(case)) == 1 - is_kept


async def test_every_source_says_its_state_and_the_archive_answers(postgres_url: str) -> None:
    steady, seen_twice, peak = (123.0, 10.0), (123.5, 10.2), (122.5, 10.2)
    async with (
        associator(postgres_url, expiration_timesteps=4) as case,
        client_of(postgres_url) as client,
    ):
        await case.feed(image(0, [steady, seen_twice, peak]))
        [gone] = [row["id"] for row in await case.sources() if row["ra"] < 122.8]
        assert await states(client, case) == ["candidate"] * 3
        await feed_and_answer(case, image(1, [steady, seen_twice]))
        assert await states(client, case) == ["confirmed", "confirmed", "candidate"]
        for step in range(2, 8):
            await feed_and_answer(case, image(step, [steady]))
        assert await states(client, case) == ["confirmed", "dormant"]
        listed = await client.get("/api/v1/archived-sources", params={"stream": case.stream})
        assert [item["id"] for item in listed.json()["items"]] == [gone]
        one = (await client.get(f"/api/v1/archived-sources/{gone}")).json()
        assert (one["n_datapoints"], one["n_forced"], one["snr_forced"]) == (1, 1, 0)
        detail = (await client.get(f"/api/v1/sources/{gone}")).json()
        assert (detail["state"], detail["n_datapoints"], detail["n_forced"]) == ("archived", 2, 1)
        curve = (await client.get(f"/api/v1/sources/{gone}/lightcurve")).json()
        assert [each["extraction_type"] for each in curve["points"]] == ["blind", "forced"]
        assert (await client.get("/api/v1/archived-sources/1000000")).status_code == 404
        await feed_and_answer(case, image(8, [steady, seen_twice]))
        assert await states(client, case) == ["confirmed", "confirmed"]


async def feed_and_answer(case: Associator, record: ImageDetections) -> None:
    """Deliver an image; forced photometry finds nothing."""
    await case.feed(record)
    for request in case.requests:
        await store(case, measure(request, 0.0))
    case.requests.clear()


async def states(client: httpx.AsyncClient, case: Associator) -> list[str]:
    """Return the states of the sources by id; the list and the details agree."""
    answer = await client.get("/api/v1/sources", params={"stream": case.stream})
    items = answer.json()["items"]
    for item in items:
        one = (await client.get(f"/api/v1/sources/{item['id']}")).json()
        assert one["state"] == item["state"]
    return [item["state"] for item in items]


@pytest.mark.parametrize(
    ("flux_jy", "settings", "is_kept"),
    [
        (0.016, {}, True),
        (0.016, {"archive_announced_snr": 17.0, "archive_sigma": 9.0}, False),
        (0.016, {"archive_announced_snr": 17.0, "archive_sigma": 5.0}, True),
    ],
)
async def test_a_faint_transient_that_is_not_seen_again_is_archived_and_still_told_of(
    postgres_url: str, flux_jy: float, settings: dict[str, float], *, is_kept: bool
) -> None:
    burst, steady = (123.5, 10.2), (123.0, 10.0)
    async with (
        associator(postgres_url, expiration_timesteps=9, **settings) as case,
        client_of(postgres_url) as client,
    ):
        await case.feed(image(0, [steady]))
        measured = sources([steady, burst], flux_jy=flux_jy, flux_err_jy=RMS_JY)
        await feed_and_answer(case, image(1, measured))
        assert [event.kind for event in case.events] == ["new_source"]
        for step in range(2, 14):
            await feed_and_answer(case, image(step, [steady]))
        assert len(await case.sources()) == 1 + is_kept
        assert len(await archived(case)) == 1 - is_kept
        [told] = (await client.get("/api/v1/transients", params={"stream": case.stream})).json()[
            "items"
        ]
        source = (await client.get(f"/api/v1/sources/{told['source_id']}")).json()
        assert source["state"] == ("dormant" if is_kept else "archived")
        assert (source["is_new"], source["n_datapoints"]) == (True, told["n_datapoints"])


async def test_a_bright_transient_is_never_archived(postgres_url: str) -> None:
    burst, steady = (123.5, 10.2), (123.0, 10.0)
    async with associator(postgres_url, expiration_timesteps=3) as case:
        await case.feed(image(0, [steady]))
        await case.feed(image(1, [steady, burst]))
        assert [event.kind for event in case.events] == ["new_source"]
        for step in range(2, 8):
            await case.feed(image(step, [steady]))
            for request in case.requests:
                await store(case, measure(request, 0.0))
            case.requests.clear()
        assert len(await case.sources()) == 2
        assert await archived(case) == []


async def test_a_source_seen_often_is_kept_when_it_is_gone(postgres_url: str) -> None:
    gone, steady = (123.5, 10.2), (123.0, 10.0)
    async with associator(postgres_url, expiration_timesteps=3) as case:
        for step in range(3):
            await case.feed(image(step, [steady, gone]))
        for step in range(3, 9):
            await case.feed(image(step, [steady]))
            for request in case.requests:
                await store(case, measure(request, 0.0))
            case.requests.clear()
        assert len(await case.sources()) == 2
