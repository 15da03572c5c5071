"""A new source is looked for in earlier images before it is announced."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from schemas.identity import trig_id
from schemas.messages import ForcedMeasurements, ForcedRequest
from tests.support.api_service import client_of
from tests.support.association import associator
from tests.support.forced_results import measure, store
from tests.support.look_back_cases import (
    BRIGHT_JY,
    ERR_JY,
    FAINT_JY,
    LOOKBACK,
    PLACE,
    answer,
    detect,
    facts,
    forced_sums,
    look_back_row,
    points_of,
    shot,
    take_look_backs,
)
from tests.support.records import image, sources


async def test_a_new_source_is_announced_after_the_last_answer(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        requests = await detect(case, BRIGHT_JY)
        assert len(requests) == 4
        assert case.events == []
        await answer(case, requests[:3], [1e-4, -2e-4, 3e-4])
        assert case.events == []
        await answer(case, requests[3:], [2e-4])
        (event,) = case.events
        points = await points_of(case, postgres_url)
        async with client_of(postgres_url) as client:
            listed = await client.get("/api/v1/transients", params={"stream": case.stream})
    assert (event.kind, event.certainty, event.look_back) == (
        "new_source", "certain", "looked_back",
    )  # fmt: skip
    assert event.trig_id == trig_id(case.stream, event.image_id, 1)
    assert event.n_look_back == event.n_forced == 4
    assert event.n_datapoints == 5
    assert event.flux_previous_jy_beam == pytest.approx(1e-4)
    assert event.flux_previous_err_jy_beam == pytest.approx(ERR_JY / 2)
    assert event.time_previous == shot(3).metadata.time_start
    assert event.trigger_sigma == pytest.approx(17.8, abs=0.1)
    assert event.eta > 50
    assert [each["extraction_type"] for each in points] == ["lookback"] * 4 + ["blind"]
    assert [each["flux_peak_jy_beam"] for each in points[:4]] == [1e-4, -2e-4, 3e-4, 2e-4]
    (item,) = listed.json()["items"]
    assert (item["kind"], item["state"]) == ("new_source", "active")


async def test_the_order_of_the_answers_changes_no_bit_of_the_sums(postgres_url: str) -> None:
    fluxes_jy = [1.1e-4, 2.7e-3, -3.3e-3, 7.7e-4]
    sums = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        async with associator(postgres_url, **LOOKBACK) as case:
            requests = await detect(case, BRIGHT_JY)
            await answer(
                case, [requests[each] for each in order], [fluxes_jy[each] for each in order]
            )
            sums.append(await forced_sums(case))
    assert [row[0] for row in sums[0]] == [4]
    assert sums[1:] == sums[:1] * 2


async def test_fluxes_count_with_the_last_answer(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        requests = await detect(case, BRIGHT_JY)
        await answer(case, requests[:3], [1e-4, -2e-4, 3e-4])
        assert [row[0] for row in await forced_sums(case)] == [0]
        await store(case, measure(requests[0], 1e-4))
        await answer(case, requests[3:], [2e-4])
        assert [row[0] for row in await forced_sums(case)] == [4]
        await store(case, measure(requests[3], 2e-4))
        assert [row[0] for row in await forced_sums(case)] == [4]


async def test_a_source_that_was_there_before_is_not_announced(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        requests = await detect(case, FAINT_JY)
        await answer(case, requests, [9e-3, 1e-2, 8e-3, 9.5e-3])
        await case.feed(shot(6, FAINT_JY))
        assert case.events == []
        row = await look_back_row(case)
        assert row["verdict"] == "known_below_threshold"
        assert row["flux_previous_jy_beam"] == pytest.approx(9.125e-3)
        # It has a history: what it is expected to have is the mean of all its looks.
        await case.feed(shot(7, 0.03))
        (event,) = case.events
        points = await points_of(case, postgres_url)
    assert event.kind == "variable"
    assert event.flux_expected_jy_beam == pytest.approx(
        (4 * 9.125e-3 + 2 * FAINT_JY) / 6, rel=0.01
    )
    assert [each["extraction_type"] for each in points] == ["lookback"] * 4 + ["blind"] * 3


async def test_a_faint_source_that_was_not_there_is_announced(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        requests = await detect(case, FAINT_JY)
        await answer(case, requests, [0.0] * 4)
        (event,) = case.events
    assert (event.kind, event.certainty) == ("new_source", "certain")


async def test_the_last_images_and_the_deepest_one_are_looked_at(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        depths = {1: 5e-4}
        shots = [shot(step, rms_jy_beam=depths.get(step, 1e-3)) for step in range(8)]
        for each in shots:
            await case.feed(each)
        other = image(8, [(10.0, -20.0)], centre=(10.0, -20.0))
        await case.feed(other)
        case.requests.clear()
        await case.feed(shot(9, BRIGHT_JY))
        asked = [each.image_id for each in take_look_backs(case)]
    assert asked == [shots[step].image_id for step in (1, 4, 5, 6, 7)]


async def test_without_an_earlier_image_nothing_is_asked(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        await case.feed(shot(0, BRIGHT_JY))
        assert (take_look_backs(case), case.events) == ([], [])


async def test_answers_in_any_order_and_twice_give_the_same_event(postgres_url: str) -> None:
    announced = set()
    for number, order in enumerate([(0, 1, 2), (2, 1, 0), (1, 0, 2)]):
        settings = {**LOOKBACK, "lookback_images": 3}
        async with associator(postgres_url, name=f"order-{number}", **settings) as case:
            requests = await detect(case, BRIGHT_JY, n_before=3)
            fluxes = np.array([1e-3, -1e-3, 5e-4])
            for which in (*order, *order):
                await answer(case, [requests[which]], [fluxes[which]])
            (event,) = case.events
            case_facts = facts(event)
            announced.add(case_facts[2:])
    assert len(announced) == 1


async def test_another_band_contradicts_what_is_announced_after_its_answer(
    postgres_url: str,
) -> None:
    settings = {**LOOKBACK, "window_timeout_s": 30.0, "max_dm_pc_cm3": 0.0}
    async with associator(postgres_url, **settings) as case:
        for step in range(4):
            await case.feed(shot(step, freq_eff_hz=120e6), shot(step, freq_eff_hz=160e6))
        case.requests.clear()
        await case.feed(shot(5, 0.05, freq_eff_hz=120e6), shot(5, freq_eff_hz=160e6))
        other = [each for each in case.requests if "forced" in each.positions.extraction_type]
        requests = take_look_backs(case)
        await answer(case, other, [0.0])
        assert case.events == []
        await answer(case, requests, [0.0] * 4)
        first, second = case.events
    assert (first.kind, second.kind) == ("new_source", "retraction")
    assert "160.0 MHz" in second.note


async def test_a_late_image_looks_back_at_nothing(postgres_url: str) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        for step in (0, 1, 2, 4):
            await case.feed(shot(step))
        case.requests.clear()
        await case.feed(shot(3, BRIGHT_JY))
        assert take_look_backs(case) == []
        assert case.events == []


async def test_positions_are_measured_in_the_frame_of_each_image(postgres_url: str) -> None:
    """Six steady sources: one of the images is shifted, its own place is asked for."""
    places = [(121.8 + number / 2, 9.0 + number / 2) for number in range(6)]
    shift_deg = 0.02
    async with associator(postgres_url, **LOOKBACK) as case:
        for step in range(5):
            moved = [(ra, dec + shift_deg * (step == 3)) for ra, dec in places]
            await case.feed(image(step, sources(moved, flux_jy=0.05, pos_err_arcsec=2.0)))
        case.requests.clear()
        await case.feed(image(5, sources([*places, PLACE], flux_jy=0.05, pos_err_arcsec=2.0)))
        asked = [each.positions.dec[0] for each in take_look_backs(case)]
    offsets = np.array(asked) - PLACE[1]
    np.testing.assert_allclose(offsets, [0, 0, 0, shift_deg, 0], atol=shift_deg / 5)


async def test_steady_sources_at_the_threshold_raise_nothing(postgres_url: str) -> None:
    """45 sources of 8 sigma in four bands, detected when noise lifts them over the threshold."""
    rng = np.random.default_rng(157)
    places = [(121.5 + 0.35 * (each % 9), 8.5 + 0.7 * (each // 9)) for each in range(45)]
    bands_hz = [120e6, 140e6, 160e6, 180e6]
    flux_jy = 8e-3 + rng.normal(0, ERR_JY, (30, 4, 45))
    settings = {**LOOKBACK, "window_timeout_s": 30.0, "new_source_sigma_margin": 1.0}
    n_looked_back = 0
    async with associator(postgres_url, **settings) as case:
        measured = {}
        for step in range(30):
            shots = []
            for band, freq_hz in enumerate(bands_hz):
                fluxes = flux_jy[step, band]
                seen = np.flatnonzero(fluxes >= 8e-3)
                columns = sources(
                    [places[each] for each in seen], flux_jy=fluxes[seen], flux_err_jy=ERR_JY
                )
                shot_now = image(step, columns, freq_eff_hz=freq_hz, detection_threshold_sigma=8.0)
                measured[shot_now.image_id] = fluxes
                shots.append(shot_now)
            await case.feed(*shots)
            requests, case.requests = list(case.requests), []
            for request in requests:
                n_looked_back += request.positions.extraction_type.count("lookback")
                await store(case, measure_at(request, places, measured[request.image_id]))
            await case.settle()
        assert [each.kind for each in case.events] == []
    assert n_looked_back > 0


def measure_at(
    request: ForcedRequest, places: Sequence[tuple[float, float]], fluxes_jy: np.ndarray
) -> ForcedMeasurements:
    """Return the result of a request: at each position the flux of the nearest place."""
    result = measure(request)
    columns = result.measurements
    nearest = [
        int(np.argmin([abs(ra - x) + abs(dec - y) for x, y in places]))
        for ra, dec in zip(columns.ra, columns.dec, strict=True)
    ]
    flux = fluxes_jy[nearest]
    return replace(result, measurements=replace(columns, flux_peak_jy_beam=flux))
