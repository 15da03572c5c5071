"""A new source that another band of its timestep contradicts is retracted, and no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from livetrap.cli import run
from runtime.sql import load_statement
from schemas.event_json import event_from_json
from schemas.identity import event_id
from schemas.messages import ForcedMeasurements, ForcedRequest, ImageDetections, StageTimes
from services.associate.models.evidence import LastNotified
from services.associate.storage import Catalogue
from tests.integration.alert.test_life_cycle import alert
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources
from tests.support.voevent import cited_ivorns, read_packet

STEADY, NEW = (123.0, 10.0), (123.5, 10.2)
LOW_HZ, MIDDLE_HZ, HIGH_HZ = 140e6, 150e6, 160e6
FLUX_JY = 0.02


def shot(step: float, freq_hz: float, *, detects: bool, **changes: Any) -> ImageDetections:
    """Return an image of a band, which may detect the new source."""
    positions, fluxes = ([STEADY, NEW], [0.015, FLUX_JY]) if detects else ([STEADY], [0.015])
    return image(step, sources(positions, flux_jy=fluxes), freq_eff_hz=freq_hz, **changes)


@asynccontextmanager
async def one_band_detection(
    url: str, *, others_hz: tuple[float, ...] = (MIDDLE_HZ,), **settings: float | None
) -> AsyncIterator[Associator]:
    """Give an associator with a new source that the lowest band alone has detected."""
    async with associator(url, window_timeout_s=30.0, **settings) as case:
        for step in (0, 1):
            await case.feed(
                shot(step, LOW_HZ, detects=step == 1),
                *(shot(step, freq_hz, detects=False) for freq_hz in others_hz),
            )
        assert [event.kind for event in case.events] == ["new_source"]
        assert len(case.requests) == len(others_hz)
        yield case


async def kinds(case: Associator) -> list[str]:
    """Return the kinds of the events on Kafka; the outbox is emptied first."""
    case.handler.outbox.expect()
    await case.settle()
    return [event.kind for event in case.events]


async def transient_of(case: Associator) -> dict[str, Any]:
    (row,) = await case.rows(
        "select transient.* from transient join stream on stream.id = stream_id "
        "where stream.name = $1",
        case.stream,
    )
    return row


def only(request: ForcedRequest, position: int, **changes: Any) -> ForcedMeasurements:
    """Return a result for one position of a request."""
    columns = measure(request).measurements
    one = replace(
        columns,
        **{
            name: getattr(columns, name)[position : position + 1]
            for name in type(columns).__dataclass_fields__
        }
        | changes,
    )
    return replace(measure(request), measurements=one)


async def test_an_alert_that_another_band_contradicts_is_retracted(postgres_url: str) -> None:
    async with one_band_detection(postgres_url) as case:
        (first,) = case.events
        (request,) = case.requests
        await store(case, measure(request, -1e-4))
        await case.settle()  # at once: the handler expects a message in the outbox
        first, retraction = case.events
        reason = (
            "forced photometry at 150.0 MHz at the same time: -0.1 +- 1.0 mJy/beam "
            "where at least 14.2 are expected (13.4 sigma)"
        )
        assert retraction.times.time_associated is not None
        assert retraction == replace(
            first,
            event_id=event_id(first.trig_id, "retraction", first.event_id),
            kind="retraction",
            note=reason,
            times=StageTimes(time_associated=retraction.times.time_associated),
        )
        transient = await transient_of(case)
        assert (transient["state"], transient["retraction_reason"]) == ("retracted", reason)
        kept = await case.rows(
            "select kind, event::text from source_event where transient_id = $1 order by id",
            transient["id"],
        )
        assert [row["kind"] for row in kept] == ["new_source", "retraction"]
        assert event_from_json(kept[1]["event"]) == retraction

        packets: list[bytes] = []
        rows = await alert(case, packets)
        assert [(row["alert_type"], row["revision"]) for row in rows] == [
            ("initial", 0), ("retraction", 1),
        ]  # fmt: skip
        packet = read_packet(packets[1])
        assert cited_ivorns(packet) == {"retraction": [rows[0]["ivorn"]]}
        assert packet.findtext("Why/Description") == reason


async def test_a_result_that_comes_twice_retracts_once(postgres_url: str) -> None:
    async with one_band_detection(postgres_url) as case:
        (request,) = case.requests
        await asyncio.gather(*(store(case, measure(request)) for _ in range(2)))
        await store(case, measure(request))
        assert await kinds(case) == ["new_source", "retraction"]


async def test_only_the_result_that_was_stored_first_counts(postgres_url: str) -> None:
    async with one_band_detection(postgres_url) as case:
        (request,) = case.requests
        await store(case, measure(request, FLUX_JY))
        await store(case, measure(request, 0.0))
        assert await kinds(case) == ["new_source"]


async def test_two_bands_that_contradict_retract_once(postgres_url: str) -> None:
    async with one_band_detection(postgres_url, others_hz=(MIDDLE_HZ, HIGH_HZ)) as case:
        for request in case.requests:
            await store(case, measure(request))
        assert await kinds(case) == ["new_source", "retraction"]
        assert "150.0 MHz" in (await transient_of(case))["retraction_reason"]


async def test_one_band_of_two_is_enough_to_retract(postgres_url: str) -> None:
    async with one_band_detection(postgres_url, others_hz=(MIDDLE_HZ, HIGH_HZ)) as case:
        agrees, denies = case.requests
        await store(case, measure(agrees, FLUX_JY))
        assert await kinds(case) == ["new_source"]
        await store(case, measure(denies))
        assert await kinds(case) == ["new_source", "retraction"]


@pytest.mark.parametrize("flux_jy", [0.0095, FLUX_JY, 1.0])
async def test_a_flux_that_a_power_law_explains_retracts_nothing(
    postgres_url: str, flux_jy: float
) -> None:
    async with one_band_detection(postgres_url) as case:
        await store(case, measure(case.requests[0], flux_jy))
        assert await kinds(case) == ["new_source"]


@pytest.mark.parametrize(
    "settings",
    [
        {"spectral_conflict_sigma": None},
        {"spectral_conflict_sigma": 14.0},
        {"spectral_conflict_max_index": 30.0},
    ],
)
async def test_settings_can_prevent_the_retraction(
    postgres_url: str, settings: dict[str, float | None]
) -> None:
    async with one_band_detection(postgres_url, **settings) as case:
        await store(case, measure(case.requests[0]))
        assert await kinds(case) == ["new_source"]


async def test_a_source_that_fades_is_not_retracted(postgres_url: str) -> None:
    async with one_band_detection(postgres_url) as case:
        case.requests.clear()
        await case.feed(shot(2, LOW_HZ, detects=False), shot(2, MIDDLE_HZ, detects=False))
        assert len(case.requests) == 2
        for request in case.requests:
            await store(case, measure(request))
        assert await kinds(case) == ["new_source"]


async def test_what_comes_after_the_timestep_of_an_answer_changes_nothing(
    postgres_url: str,
) -> None:
    async with one_band_detection(postgres_url) as case:
        (request,) = case.requests
        await case.feed(shot(2, LOW_HZ, detects=True), shot(2, MIDDLE_HZ, detects=False))
        await store(case, measure(request))
        assert await kinds(case) == ["new_source", "retraction"]


async def test_a_source_of_two_bands_is_not_retracted_for_a_third(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        for step in (0, 1):
            await case.feed(
                *(shot(step, hz, detects=step == 1) for hz in (LOW_HZ, MIDDLE_HZ)),
                shot(step, HIGH_HZ, detects=False),
            )
        (request,) = case.requests
        await store(case, measure(request))
        assert await kinds(case) == ["new_source"]


async def test_another_image_of_the_same_band_retracts_nothing(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        for step in (0, 1):
            await case.feed(
                shot(step, LOW_HZ, detects=step == 1),
                shot(step, LOW_HZ, detects=False, centre=(125.0, 10.0)),
            )
        (request,) = case.requests
        await store(case, measure(request))
        assert await kinds(case) == ["new_source"]


@pytest.mark.parametrize("stokes", [("I", "V"), ("V", "V")])
async def test_polarised_fluxes_retract_nothing(
    postgres_url: str, stokes: tuple[str, str]
) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        for step in (0, 1):
            await case.feed(
                shot(step, LOW_HZ, detects=step == 1, stokes=stokes[0]),
                shot(step, MIDDLE_HZ, detects=False, stokes=stokes[1]),
            )
        (request,) = case.requests
        await store(case, measure(request))
        assert await kinds(case) == ["new_source"]


async def test_images_that_start_almost_together_are_simultaneous(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        half_a_second = 0.499999 / 86400
        for step in (0, 1):
            await case.feed(
                shot(step, LOW_HZ, detects=step == 1),
                shot(step + half_a_second, MIDDLE_HZ, detects=False),
            )
        (request,) = case.requests
        await store(case, measure(request))
        assert await kinds(case) == ["new_source", "retraction"]


async def test_a_retraction_by_the_operator_keeps_its_reason(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    async with one_band_detection(postgres_url) as case:
        (event,) = case.events
        command = ["alerts", "retract", event.trig_id, "--reason", "an aeroplane"]
        assert await asyncio.to_thread(run, command) == 0
        await store(case, measure(case.requests[0]))
        assert await kinds(case) == ["new_source", "retraction"]
        assert (await transient_of(case))["retraction_reason"] == "an aeroplane"


async def test_results_of_other_users_retract_nothing(postgres_url: str) -> None:
    """Their ids are their own: another position, another purpose, another stream."""
    async with (
        one_band_detection(postgres_url) as case,
        one_band_detection(postgres_url) as other_stream,
    ):
        (request,), (other_request,) = case.requests, other_stream.requests
        result = measure(request)
        columns = result.measurements
        for foreign in (
            replace(result, measurements=replace(columns, dec=columns.dec + 0.2)),
            replace(result, stream=other_stream.stream),
            replace(result, stream="of-nobody"),
            replace(result, image_id=other_request.image_id[::-1]),
            replace(measure(other_request), measurements=columns),
        ):
            await store(case, foreign)
        assert await kinds(case) == ["new_source"]
        assert await kinds(other_stream) == ["new_source"]
        await store(case, only(request, 0, extraction_type=("monitor",)))
        assert await kinds(case) == ["new_source"]


async def test_a_position_that_could_not_be_measured_retracts_nothing(postgres_url: str) -> None:
    async with one_band_detection(postgres_url) as case:
        await store(case, only(case.requests[0], 0, reason=("confused",)))
        assert await kinds(case) == ["new_source"]


async def wait_for_a_lock(case: Associator) -> None:
    """Wait until a transaction of this database waits for another one."""

    async def waits() -> bool:
        rows = await case.rows(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' "
            "and query like '%Lock a stream against%' and pid <> pg_backend_pid()"
        )
        return bool(rows)

    async with asyncio.timeout(60):
        while not await waits():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_source_detected_again_while_a_result_waits_is_not_retracted(
    postgres_url: str,
) -> None:
    """Two associators: one has the stream's images, the other its forced measurements."""
    async with one_band_detection(postgres_url) as case:
        transient = await transient_of(case)
        other = await asyncpg.connect(postgres_url)
        try:
            update = other.transaction()
            await update.start()
            await other.execute(  # as every timestep does first
                "update stream set name = name where name = $1", case.stream
            )
            await other.execute(
                "update transient set n_updates = n_updates + 1 where id = $1", transient["id"]
            )
            await other.execute(
                "update source set n_datapoints = 2 where id = $1", transient["source_id"]
            )
            waiting = asyncio.create_task(store(case, measure(case.requests[0])))
            await wait_for_a_lock(case)
            await update.commit()
            await waiting
        finally:
            await other.close()
        assert await kinds(case) == ["new_source"]
        assert (await transient_of(case))["state"] == "active"


async def test_an_update_that_waited_for_a_retraction_is_dropped(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No subscriber gets an update after the retraction."""
    async with one_band_detection(postgres_url) as case:
        transient = await transient_of(case)
        load_last_notified = Catalogue.load_last_notified

        async def and_then_it_is_retracted(*arguments: Any) -> list[LastNotified]:
            before = await load_last_notified(*arguments)
            await case.pool.execute(  # as an operator does; a forced result waits for its turn
                "update transient set state = 'retracted' where id = $1", transient["id"]
            )
            return before

        monkeypatch.setattr(Catalogue, "load_last_notified", and_then_it_is_retracted)
        both = sources([STEADY, NEW], flux_jy=[0.015, 3 * FLUX_JY])
        await case.feed(image(2, both, freq_eff_hz=LOW_HZ), image(2, both, freq_eff_hz=MIDDLE_HZ))
        assert await kinds(case) == ["new_source"]
        assert (await transient_of(case))["n_updates"] == 0


async def test_retraction_candidates_are_found_by_index(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        # A scan is left where no index would do.
        await connection.execute("set enable_seqscan = off")
        plan = await connection.fetch(
            "explain " + load_statement("services.associate", "lock_retraction_candidates").text,
            1, "image", list(range(5000)), timedelta(seconds=0.5), timedelta(hours=1),
        )  # fmt: skip
    finally:
        await connection.close()
    assert [row[0] for row in plan if "Seq Scan" in row[0]] == []
