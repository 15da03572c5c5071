"""Null detections are requested, results are stored, and neither happens twice."""

from dataclasses import replace

import numpy as np
import pytest

from runtime.errors import RejectedMessageError
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store, take_requests
from tests.support.records import image, rejected

STEADY, FADING = (123.0, 10.0), (123.5, 10.2)


async def source_at(case: Associator, position: tuple[float, float]) -> int:
    """Return the id of the source nearest to a position."""
    rows = await case.sources()
    ra, dec = position
    return int(min(rows, key=lambda row: abs(row["ra"] - ra) + abs(row["dec"] - dec))["id"])


async def test_a_null_detection_is_requested_until_it_expires(postgres_url: str) -> None:
    async with associator(postgres_url, expiration_timesteps=3) as case:
        await case.feed(image(0, [STEADY, FADING]))
        await case.feed(image(1, [STEADY, FADING]))
        assert take_requests(case) == []
        fading = await source_at(case, FADING)
        for step in (2, 3, 4):
            shot = image(step, [STEADY])
            await case.feed(shot)
            assert take_requests(case) == [(shot.image_id, (fading,))]
        await case.feed(image(5, [STEADY]))
        assert take_requests(case) == []
        assert await case.rows("select 1 from null_detection where source_id = $1", fading) == []


async def test_a_blind_detection_restarts_the_count(postgres_url: str) -> None:
    async with associator(postgres_url, expiration_timesteps=2) as case:
        steps = [[STEADY, FADING], [STEADY], [STEADY, FADING], [STEADY], [STEADY], [STEADY]]
        counts = []
        for step, positions in enumerate(steps):
            await case.feed(image(step, positions))
            counts.append(len(take_requests(case)))
        assert counts == [0, 1, 0, 1, 1, 0]


async def test_a_known_source_is_requested_in_the_band_that_does_not_detect_it(
    postgres_url: str,
) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        low = [image(step, [STEADY], freq_eff_hz=120e6) for step in range(3)]
        high = [image(step, [], freq_eff_hz=160e6) for step in range(3)]
        await case.feed(low[0], high[0])
        assert take_requests(case) == []  # discovered just now
        await case.feed(low[1], high[1])
        steady = await source_at(case, STEADY)
        assert take_requests(case) == [(high[1].image_id, (steady,))]


async def test_a_new_transient_is_requested_in_the_same_timestep(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        for step, positions in enumerate([[STEADY], [STEADY, FADING]]):
            low = image(step, positions, freq_eff_hz=120e6)
            high = image(step, [STEADY], freq_eff_hz=160e6)
            await case.feed(low, high)
        (event,) = case.events
        assert take_requests(case) == [(high.image_id, (event.source_id,))]


async def test_only_positions_inside_the_image_are_requested(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [STEADY]))
        await case.feed(image(1, [(200.0, 50.0)], centre=(200.0, 50.0), width_px=300))
        assert take_requests(case) == []


async def test_a_timestep_of_rejected_images_has_no_null_detections(postgres_url: str) -> None:
    async with associator(postgres_url, expiration_timesteps=1) as case:
        await case.feed(image(0, [STEADY]))
        await case.feed(rejected(image(1)))
        assert take_requests(case) == []
        await case.feed(image(2, []))
        assert len(take_requests(case)) == 1


async def test_it_can_be_switched_off(postgres_url: str) -> None:
    async with associator(postgres_url, forced_photometry=False) as case:
        await case.feed(image(0, [STEADY]))
        await case.feed(image(1, []))
        assert take_requests(case) == []


async def test_a_result_adds_one_point_and_moves_no_source(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [STEADY]))
        await case.feed(image(1, []))
        (before,) = await case.sources()
        (request,) = case.requests
        for flux in (1e-4, 5.0):  # the second is a replay: the first one stays
            await store(case, measure(request, flux))
        (point,) = await case.rows(
            "select * from detection where source_id = $1 and extraction_type = 'forced'",
            before["id"],
        )
        assert point["flux_peak_jy_beam"] == point["flux_int_jy"] == 1e-4
        assert point["snr"] == pytest.approx(0.1)
        (after,) = await case.sources()
        counted = ("n_datapoints", "n_forced", "eta", "v")
        assert {name: after[name] for name in before if name not in counted} == {
            name: before[name] for name in before if name not in counted
        }
        assert (after["n_datapoints"], after["n_forced"]) == (2, 1)
        (curve,) = await case.light_curves()
        assert (curve["n_datapoints"], curve["n_forced"]) == (2, 1)
        assert curve["flux_forced_mean_jy_beam"] == pytest.approx(1e-4)


async def test_a_position_that_could_not_be_measured_is_recorded(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [STEADY, FADING]))
        await case.feed(image(1, []))
        (request,) = case.requests
        result = measure(request)
        nothing = replace(
            result.measurements,
            flux_peak_jy_beam=np.array([1e-4, np.nan]),
            reason=("", "image_gone"),
        )
        for _ in range(2):
            await store(case, replace(result, measurements=nothing))
        gaps = await case.rows(
            "select source_id, reason from forced_gap join stream on stream.id = stream_id "
            "where stream.name = $1",
            case.stream,
        )
        assert gaps == [
            {"source_id": int(request.positions.position_id[1]), "reason": "image_gone"}
        ]


async def test_a_result_for_a_deleted_stream_changes_nothing(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [STEADY]))
        await case.feed(image(1, []))
        (request,) = case.requests
        await case.pool.execute(
            "select delete_stream(id) from stream where name = $1", case.stream
        )
        await store(case, measure(request))
        assert (
            await case.rows(
                "select 1 from detection where source_id = any($1::bigint[])",
                request.positions.position_id.tolist(),
            )
            == []
        )


@pytest.mark.parametrize("flux", [np.nan, np.inf])
async def test_a_flux_that_is_not_finite_is_refused(postgres_url: str, flux: float) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [STEADY]))
        await case.feed(image(1, []))
        (request,) = case.requests
        with pytest.raises(RejectedMessageError, match="flux"):
            await store(case, measure(request, flux))


async def test_a_position_away_from_the_source_adds_no_point(postgres_url: str) -> None:
    """Other users of the topic number their positions as they like."""
    async with associator(postgres_url) as case:
        await case.feed(image(0, [STEADY]))
        await case.feed(image(1, []))
        (request,) = case.requests
        result = measure(request)
        elsewhere = replace(result.measurements, dec=result.measurements.dec + 0.2)
        await store(case, replace(result, measurements=elsewhere))
        forced = "select 1 from detection where source_id = $1 and extraction_type = 'forced'"
        source = int(request.positions.position_id[0])
        assert await case.rows(forced, source) == []
        await store(case, result)
        assert len(await case.rows(forced, source)) == 1


async def test_a_rejected_timestep_forgets_no_source(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [STEADY, FADING]))
        await case.feed(image(1, [STEADY, FADING]))
        off = image(2)
        await case.feed(replace(rejected(off, "rms_too_high"), metadata=off.metadata))
        shot = image(3, [STEADY])
        await case.feed(shot)
        fading = await source_at(case, FADING)
        assert take_requests(case) == [(shot.image_id, (fading,))]


async def test_only_looks_at_the_position_count(postgres_url: str) -> None:
    """Twelve fields in turn: a source of the first is measured in each visit until it expires."""
    centres = [(123.0 + 25 * number, 10.0) for number in range(12)]
    n_looks = 3
    async with associator(postgres_url, expiration_timesteps=n_looks) as case:
        requested = []
        for visit in range(n_looks + 2):
            for number, centre in enumerate(centres):
                seen = [(centre[0] + 1.0, 10.0)]
                if number == 0 and visit == 0:
                    seen.append(FADING)
                shot = image(visit + number / 12, seen, centre=centre)
                await case.feed(shot)
                if number == 0:
                    requested.append(len(take_requests(case)))
                else:
                    assert take_requests(case) == []
        assert requested == [0] + [1] * n_looks + [0]
        assert len(await case.sources()) == len(centres) + 1
