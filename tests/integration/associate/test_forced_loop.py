"""What is missed is asked for, what is answered is stored, and neither twice."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from schemas.codec import encode_forced_measurements
from schemas.messages import ForcedColumns, ForcedMeasurements, ForcedRequest
from schemas.topics import Topics
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler
from services.associate.storage import CatalogueStore
from tests.support.association import Associator, associator
from tests.support.records import image, rejected

STEADY, FADING = (123.0, 10.0), (123.5, 10.2)


def run(case: Any) -> None:
    asyncio.run(case)


def asked(site: Associator) -> list[tuple[str, tuple[int, ...]]]:
    """Return the images asked since the last call, and the ids of the positions."""
    requests = [
        (each.image_id, tuple(each.positions.position_id.tolist())) for each in site.requests
    ]
    site.requests.clear()
    return requests


async def source_at(site: Associator, place: tuple[float, float]) -> int:
    rows = await site.sources()
    return int(
        min(rows, key=lambda row: abs(row["ra"] - place[0]) + abs(row["dec"] - place[1]))["id"]
    )


def answer(request: ForcedRequest, flux: float = 1e-4) -> ForcedMeasurements:
    positions = request.positions
    n = len(positions.extraction_type)
    return ForcedMeasurements(
        request.image_id,
        request.stream,
        request.source,
        None,
        ForcedColumns(
            positions.position_id, positions.extraction_type, positions.ra, positions.dec,
            np.full(n, flux), np.full(n, 1e-3), np.full(n, 1e-3), ("",) * n,
        ),
    )  # fmt: skip


async def store(site: Associator, reply: ForcedMeasurements) -> None:
    """Give an answer to the associator, as its `app` does."""
    handler = ForcedMeasurementsHandler(
        CatalogueStore(site.pool), site.settings.associate, Topics()
    )
    message = InMessage("forced", 0, 0, b"", encode_forced_measurements(reply))
    if await handler.on_message(message):
        site.handler.expect_outbox()


def test_a_source_is_asked_for_until_it_expires(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url, expiration_timesteps=3) as site:
            await site.feed(image(0, [STEADY, FADING]))
            await site.feed(image(1, [STEADY, FADING]))
            assert asked(site) == []
            fading = await source_at(site, FADING)
            for step in (2, 3, 4):
                shot = image(step, [STEADY])
                await site.feed(shot)
                assert asked(site) == [(shot.image_id, (fading,))]
            await site.feed(image(5, [STEADY]))
            assert asked(site) == []
            assert (
                await site.rows("select 1 from null_detection where source_id = $1", fading) == []
            )

    run(case())


def test_a_blind_detection_begins_the_count_anew(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url, expiration_timesteps=2) as site:
            steps = [[STEADY, FADING], [STEADY], [STEADY, FADING], [STEADY], [STEADY], [STEADY]]
            counts = []
            for step, places in enumerate(steps):
                await site.feed(image(step, places))
                counts.append(len(asked(site)))
            assert counts == [0, 1, 0, 1, 1, 0]

    run(case())


def test_a_band_that_does_not_show_a_known_source_is_asked(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url, window_timeout_s=30.0) as site:
            low = [image(step, [STEADY], freq_eff_hz=120e6) for step in range(3)]
            high = [image(step, [], freq_eff_hz=160e6) for step in range(3)]
            await site.feed(low[0], high[0])
            assert asked(site) == []  # discovered just now
            await site.feed(low[1], high[1])
            steady = await source_at(site, STEADY)
            assert asked(site) == [(high[1].image_id, (steady,))]

    run(case())


def test_a_band_that_does_not_show_a_new_transient_is_asked_at_once(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url, window_timeout_s=30.0) as site:
            for step, places in enumerate([[STEADY], [STEADY, FADING]]):
                low = image(step, places, freq_eff_hz=120e6)
                high = image(step, [STEADY], freq_eff_hz=160e6)
                await site.feed(low, high)
            (event,) = site.events
            assert asked(site) == [(high.image_id, (event.source_id,))]

    run(case())


def test_only_places_inside_the_image_are_asked_for(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url) as site:
            await site.feed(image(0, [STEADY]))
            await site.feed(image(1, [(200.0, 50.0)], centre=(200.0, 50.0), width_px=300))
            assert asked(site) == []

    run(case())


def test_a_timestep_of_rejected_images_misses_nothing(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url, expiration_timesteps=1) as site:
            await site.feed(image(0, [STEADY]))
            await site.feed(rejected(image(1)))
            assert asked(site) == []
            await site.feed(image(2, []))
            assert len(asked(site)) == 1

    run(case())


def test_it_can_be_switched_off(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url, forced_photometry=False) as site:
            await site.feed(image(0, [STEADY]))
            await site.feed(image(1, []))
            assert asked(site) == []

    run(case())


def test_an_answer_is_one_point_and_moves_nothing(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url) as site:
            await site.feed(image(0, [STEADY]))
            await site.feed(image(1, []))
            (before,) = await site.sources()
            curves = await site.light_curves()
            (request,) = site.requests
            for flux in (1e-4, 5.0):  # the second is a replay: the first one stays
                await store(site, answer(request, flux))
            (point,) = await site.rows(
                "select * from detection where source_id = $1 and extraction_type = 'forced'",
                before["id"],
            )
            assert point["flux_peak_jy_beam"] == point["flux_int_jy"] == 1e-4
            assert point["snr"] == pytest.approx(0.1)
            assert await site.sources() == [before]
            assert await site.light_curves() == curves

    run(case())


def test_what_could_not_be_measured_is_recorded(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url) as site:
            await site.feed(image(0, [STEADY, FADING]))
            await site.feed(image(1, []))
            (request,) = site.requests
            reply = answer(request)
            nothing = replace(
                reply.measurements,
                flux_peak_jy_beam=np.array([1e-4, np.nan]),
                reason=("", "image_gone"),
            )
            for _ in range(2):
                await store(site, replace(reply, measurements=nothing))
            gaps = await site.rows(
                "select source_id, reason from forced_gap join stream on stream.id = stream_id "
                "where stream.name = $1",
                site.stream,
            )
            assert gaps == [
                {"source_id": int(request.positions.position_id[1]), "reason": "image_gone"}
            ]

    run(case())


def test_an_answer_about_what_was_deleted_changes_nothing(postgres_url: str) -> None:
    async def case() -> None:
        async with associator(postgres_url) as site:
            await site.feed(image(0, [STEADY]))
            await site.feed(image(1, []))
            (request,) = site.requests
            await site.pool.execute(
                "select delete_stream(id) from stream where name = $1", site.stream
            )
            await store(site, answer(request))
            assert (
                await site.rows(
                    "select 1 from detection where source_id = any($1::bigint[])",
                    request.positions.position_id.tolist(),
                )
                == []
            )

    run(case())


@pytest.mark.parametrize("flux", [np.nan, np.inf])
def test_a_senseless_flux_is_refused(postgres_url: str, flux: float) -> None:
    async def case() -> None:
        async with associator(postgres_url) as site:
            await site.feed(image(0, [STEADY]))
            await site.feed(image(1, []))
            (request,) = site.requests
            with pytest.raises(RejectedMessageError, match="flux"):
                await store(site, answer(request, flux))

    run(case())


def test_the_answer_to_somebody_else_is_no_point(postgres_url: str) -> None:
    """Others number their positions as they like."""

    async def case() -> None:
        async with associator(postgres_url) as site:
            await site.feed(image(0, [STEADY]))
            await site.feed(image(1, []))
            (request,) = site.requests
            reply = answer(request)
            elsewhere = replace(reply.measurements, dec=reply.measurements.dec + 0.2)
            await store(site, replace(reply, measurements=elsewhere))
            forced = "select 1 from detection where source_id = $1 and extraction_type = 'forced'"
            source = int(request.positions.position_id[0])
            assert await site.rows(forced, source) == []
            await store(site, reply)
            assert len(await site.rows(forced, source)) == 1

    run(case())
