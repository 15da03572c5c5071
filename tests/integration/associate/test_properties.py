"""The catalogue does not depend on order, numbering, position on the sky, or the worker."""

import asyncio
from dataclasses import fields, replace

import numpy as np
import pytest

from schemas.messages import ImageDetections, SourceColumns
from tests.support.association import Associator, associator
from tests.support.records import image, sources

CENTRE = (123.0, 40.0)
BANDS = (120e6, 150e6)
N_STEPS = 5
SEEDS = range(4)
Night = list[list[ImageDetections]]


def night(seed: int, *, turn_deg: float = 0.0, sign: float = 1.0, shuffle: bool = False) -> Night:
    """Return timesteps of two bands: pairs that split and merge, and one source that appears.

    Some sources are nearer to one another than their errors, and each has a null detection in a
    fifth of the images.
    """
    rng = np.random.default_rng(seed)
    homes = rng.uniform(-1.5, 1.5, (8, 2))
    pairs = np.concatenate([homes, homes + rng.normal(0, 0.008, homes.shape)])
    flux = rng.uniform(0.02, 0.2, len(pairs))
    timesteps = []
    for step in range(N_STEPS):
        images = []
        for freq_hz in BANDS:
            offsets = pairs + rng.normal(0, 10 / 3600, pairs.shape)
            detected = rng.uniform(size=len(pairs)) > 0.2
            detected[0] = step >= 3
            detected[8] = False
            measured = flux * rng.normal(1, 0.05, flux.size)
            dec = CENTRE[1] + offsets[:, 1]
            ra = CENTRE[0] + offsets[:, 0] / np.cos(np.radians(dec))
            numbers = np.flatnonzero(detected)
            if shuffle:
                numbers = np.random.default_rng(seed + step).permutation(numbers)
            columns = sources(
                [((ra[n] + turn_deg) % 360, sign * dec[n]) for n in numbers],
                flux_jy=measured[numbers].tolist(),
            )
            centre = ((CENTRE[0] + turn_deg) % 360, sign * CENTRE[1])
            images.append(image(step, columns, centre=centre, freq_eff_hz=freq_hz))
        timesteps.append(images)
    return timesteps


async def feed(case: Associator, timesteps: Night) -> None:
    for images in timesteps:
        await case.feed(*images)


async def catalogue(
    case: Associator, *, turn_deg: float = 0.0, sign: float = 1.0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the sources as numbers, rotated back, sorted by flux, without their ids."""
    rows = await case.rows(
        "select source.*, parent.ra as parent_ra, array(select (n_datapoints, "
        "flux_int_mean_jy, flux_int_wm2, flux_peak_wmean_jy_beam, flux_int_max_jy) "
        "from source_band join band on band.id = band_id where source_id = source.id "
        "order by freq_eff_hz) as curves from source join stream on stream.id = source.stream_id "
        "left join source as parent on parent.id = source.parent_source_id "
        "where stream.name = $1",
        case.stream,
    )
    table = []
    for row in rows:
        curves = [value for curve in row["curves"] for value in curve]
        parent = -1.0 if row["parent_ra"] is None else (row["parent_ra"] - turn_deg) % 360
        table.append(
            [
                round(curves[1], 9), (row["ra"] - turn_deg) % 360, sign * row["dec"],
                row["n_datapoints"], row["eta"], row["v"], row["is_new"], row["is_variable"],
                row["weight_ra"] / 1e9, parent, *curves, *[0.0] * (10 - len(curves)),
            ]
        )  # fmt: skip
    return np.array(sorted(table))


async def result(url: str, timesteps: Night, **back: float) -> np.ndarray:
    async with associator(url) as case:
        await feed(case, timesteps)
        return await catalogue(case, **back)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_night_has_splits_and_a_new_source(postgres_url: str, seed: int) -> None:
    """The properties below would hold for an empty sky too."""
    found = await result(postgres_url, night(seed))
    assert len(found) >= 12
    assert found[:, 6].any()
    async with associator(postgres_url) as case:
        await feed(case, night(seed))
        shared = await case.rows(
            "select count(*) as n from shared_detection join source on source.id = source_id "
            "join stream on stream.id = stream_id where name = $1",
            case.stream,
        )
    assert shared[0]["n"] + np.count_nonzero(found[:, 9] >= 0) > 0


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_order_of_arrival_inside_a_timestep(postgres_url: str, seed: int) -> None:
    turned_round = [images[::-1] for images in night(seed)]
    np.testing.assert_array_equal(
        await result(postgres_url, turned_round), await result(postgres_url, night(seed))
    )


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_numbering_of_detections(postgres_url: str, seed: int) -> None:
    np.testing.assert_allclose(
        await result(postgres_url, night(seed, shuffle=True)),
        await result(postgres_url, night(seed)),
        rtol=1e-9,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
async def test_the_position_on_the_sky(postgres_url: str, seed: int, sign: float) -> None:
    """Rotated by several angles, one across 0h among them, and mirrored at the equator."""
    turn_deg = float(np.random.default_rng(seed).uniform(0, 360)) if seed else 360 - CENTRE[0]
    there = await result(
        postgres_url, night(seed, turn_deg=turn_deg, sign=sign), turn_deg=turn_deg, sign=sign
    )
    here = await result(postgres_url, night(seed))
    np.testing.assert_allclose(there, here, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_worker_changes_at_every_timestep(postgres_url: str, seed: int) -> None:
    """Two workers alternate on one partition; the old one has read ahead each time."""
    timesteps = night(seed)
    async with associator(postgres_url) as one, associator(postgres_url, name=one.stream) as other:
        for number, images in enumerate(timesteps):
            worker, idle = (one, other) if number % 2 else (other, one)
            offsets = await worker.handler.take_partitions([0])
            worker.offset = offsets.get(0, 0)
            await worker.feed(*images)
            if number + 1 < len(timesteps):
                worker.deliver(timesteps[number + 1][:1])
            idle.handler.release_partitions([0])
        handed = await catalogue(one)
    np.testing.assert_array_equal(handed, await result(postgres_url, timesteps))


async def test_two_workers_with_a_stream_each_at_once(postgres_url: str) -> None:
    both = await asyncio.gather(*[result(postgres_url, night(seed)) for seed in (0, 1)])
    for seed, found in zip((0, 1), both, strict=True):
        np.testing.assert_array_equal(found, await result(postgres_url, night(seed)))


async def test_a_band_that_appears_late_joins_its_sources(postgres_url: str) -> None:
    position = [(123.0, 40.0)]
    async with associator(postgres_url) as case:
        for step in range(3):
            await case.feed(image(step, position, freq_eff_hz=BANDS[0], centre=CENTRE))
        for step in range(3, 6):
            records = [image(step, position, freq_eff_hz=band, centre=CENTRE) for band in BANDS]
            await case.feed(*records)
        (only,) = await case.sources()
        assert [row["n_datapoints"] for row in await case.light_curves()] == [6, 3]
        assert only["n_datapoints"] == 9
        assert case.events == []


async def test_a_beam_ten_times_as_long_as_wide(postgres_url: str) -> None:
    """The semi-major axis limits a match in every direction."""

    def thin(step: int, offset_deg: float) -> ImageDetections:
        record = image(step, [(123.0, 40.0 + offset_deg)], centre=CENTRE)
        assert record.metadata is not None
        beam = record.metadata.beam_major_deg
        return replace(record, metadata=replace(record.metadata, beam_minor_deg=beam / 10))

    semi_major_deg = 0.029997
    async with associator(postgres_url, systematic_position_error_arcsec=60.0) as case:
        await case.feed(thin(0, 0.0))
        await case.feed(thin(1, 0.95 * semi_major_deg))
        assert [row["n_datapoints"] for row in await case.sources()] == [2]
        await case.feed(thin(2, 2.0 * semi_major_deg))
        assert [row["n_datapoints"] for row in await case.sources()] == [2, 1]


async def test_a_hundred_thousand_detections_in_one_image(postgres_url: str) -> None:
    """Twice: first all of them create sources, then all of them match."""
    n = 100_000
    rng = np.random.default_rng(1)
    dec = np.degrees(np.arcsin(rng.uniform(-0.5, 0.5, n)))
    positions = np.stack([rng.uniform(0, 360, n), dec], axis=1)
    measured = sources(positions.tolist(), pos_err_arcsec=1.0)
    async with associator(postgres_url, systematic_position_error_arcsec=1.0) as case:
        await case.feed(image(0, measured, beam_major_deg=0.01))
        await case.feed(image(1, _without_last(measured), beam_major_deg=0.01))
        (row,) = await case.rows(
            "select count(*) as n, sum(n_datapoints) as n_points, max(n_datapoints) as most "
            "from source join stream on stream.id = stream_id where name = $1",
            case.stream,
        )
    assert (row["n"], row["n_points"], row["most"]) == (n, 2 * n - 1, 2)


def _without_last(columns: SourceColumns) -> SourceColumns:
    return SourceColumns(
        **{each.name: getattr(columns, each.name)[:-1] for each in fields(columns)}
    )
