"""A new source that another band of its timestep denies is taken back, and no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from livetrap.cli import run
from runtime.sql import load_query
from schemas.event_json import event_from_json
from schemas.identity import event_id
from schemas.messages import ForcedMeasurements, ForcedRequest, ImageDetections, StageTimes
from services.associate.models.catalogue import LastNotified
from services.associate.storage import Catalogue
from tests.integration.alert.test_life_cycle import alert
from tests.integration.associate.test_forced_loop import answer, store
from tests.support.association import Associator, associator
from tests.support.records import image, sources
from tests.support.voevent import cited_ivorns, read_packet

STEADY, NEW = (123.0, 10.0), (123.5, 10.2)
LOW_HZ, MIDDLE_HZ, HIGH_HZ = 140e6, 150e6, 160e6
FLUX_JY = 0.02


def shot(step: float, freq_hz: float, *, shows: bool, **changes: Any) -> ImageDetections:
    """Return an image of a band, which may show the new source."""
    places, fluxes = ([STEADY, NEW], [0.015, FLUX_JY]) if shows else ([STEADY], [0.015])
    return image(step, sources(places, flux_jy=fluxes), freq_eff_hz=freq_hz, **changes)


@asynccontextmanager
async def suspected(
    url: str, *, others_hz: tuple[float, ...] = (MIDDLE_HZ,), **settings: float | None
) -> AsyncIterator[Associator]:
    """Give an associator that has told of a new source which the lowest band alone has seen."""
    async with associator(url, window_timeout_s=30.0, **settings) as site:
        for step in (0, 1):
            await site.feed(
                shot(step, LOW_HZ, shows=step == 1),
                *(shot(step, freq_hz, shows=False) for freq_hz in others_hz),
            )
        assert [event.kind for event in site.events] == ["new_source"]
        assert len(site.requests) == len(others_hz)
        yield site


async def kinds(site: Associator) -> list[str]:
    """Return the kinds of the events on Kafka; what the outbox has is sent first."""
    site.handler.expect_outbox()
    await site.settle()
    return [event.kind for event in site.events]


async def told(site: Associator) -> dict[str, Any]:
    (row,) = await site.rows(
        "select transient.* from transient join stream on stream.id = stream_id "
        "where stream.name = $1",
        site.stream,
    )
    return row


def only(request: ForcedRequest, place: int, **changes: Any) -> ForcedMeasurements:
    """Return an answer about one place of a request."""
    columns = answer(request).measurements
    one = replace(
        columns,
        **{
            name: getattr(columns, name)[place : place + 1]
            for name in type(columns).__dataclass_fields__
        }
        | changes,
    )
    return replace(answer(request), measurements=one)


async def test_an_alert_is_taken_back_that_another_band_contradicts(postgres_url: str) -> None:
    async with suspected(postgres_url) as site:
        (first,) = site.events
        (request,) = site.requests
        await store(site, answer(request, -1e-4))
        await site.settle()  # at once: the handler was told of what is in the outbox
        first, retraction = site.events
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
        transient = await told(site)
        assert (transient["state"], transient["retraction_reason"]) == ("retracted", reason)
        kept = await site.rows(
            "select kind, event::text from source_event where transient_id = $1 order by id",
            transient["id"],
        )
        assert [row["kind"] for row in kept] == ["new_source", "retraction"]
        assert event_from_json(kept[1]["event"]) == retraction

        heard: list[bytes] = []
        rows = await alert(site, heard)
        assert [(row["alert_type"], row["revision"]) for row in rows] == [
            ("initial", 0), ("retraction", 1),
        ]  # fmt: skip
        packet = read_packet(heard[1])
        assert cited_ivorns(packet) == {"retraction": [rows[0]["ivorn"]]}
        assert packet.findtext("Why/Description") == reason


async def test_an_answer_that_comes_twice_takes_back_once(postgres_url: str) -> None:
    async with suspected(postgres_url) as site:
        (request,) = site.requests
        await asyncio.gather(*(store(site, answer(request)) for _ in range(2)))
        await store(site, answer(request))
        assert await kinds(site) == ["new_source", "retraction"]


async def test_an_answer_counts_as_it_was_stored_first(postgres_url: str) -> None:
    async with suspected(postgres_url) as site:
        (request,) = site.requests
        await store(site, answer(request, FLUX_JY))
        await store(site, answer(request, 0.0))
        assert await kinds(site) == ["new_source"]


async def test_two_bands_that_deny_it_take_it_back_once(postgres_url: str) -> None:
    async with suspected(postgres_url, others_hz=(MIDDLE_HZ, HIGH_HZ)) as site:
        for request in site.requests:
            await store(site, answer(request))
        assert await kinds(site) == ["new_source", "retraction"]
        assert "150.0 MHz" in (await told(site))["retraction_reason"]


async def test_one_band_of_two_is_enough(postgres_url: str) -> None:
    async with suspected(postgres_url, others_hz=(MIDDLE_HZ, HIGH_HZ)) as site:
        agrees, denies = site.requests
        await store(site, answer(agrees, FLUX_JY))
        assert await kinds(site) == ["new_source"]
        await store(site, answer(denies))
        assert await kinds(site) == ["new_source", "retraction"]


@pytest.mark.parametrize("flux_jy", [0.0095, FLUX_JY, 1.0])
async def test_a_flux_that_a_power_law_explains_is_no_contradiction(
    postgres_url: str, flux_jy: float
) -> None:
    async with suspected(postgres_url) as site:
        await store(site, answer(site.requests[0], flux_jy))
        assert await kinds(site) == ["new_source"]


@pytest.mark.parametrize(
    "settings",
    [
        {"spectral_conflict_sigma": None},
        {"spectral_conflict_sigma": 14.0},
        {"spectral_conflict_max_index": 30.0},
    ],
)
async def test_settings_let_it_stand(postgres_url: str, settings: dict[str, float | None]) -> None:
    async with suspected(postgres_url, **settings) as site:
        await store(site, answer(site.requests[0]))
        assert await kinds(site) == ["new_source"]


async def test_what_fades_is_not_contradicted(postgres_url: str) -> None:
    async with suspected(postgres_url) as site:
        site.requests.clear()
        await site.feed(shot(2, LOW_HZ, shows=False), shot(2, MIDDLE_HZ, shows=False))
        assert len(site.requests) == 2
        for request in site.requests:
            await store(site, answer(request))
        assert await kinds(site) == ["new_source"]


async def test_what_a_later_timestep_saw_again_is_not_contradicted(postgres_url: str) -> None:
    async with suspected(postgres_url) as site:
        (request,) = site.requests
        await site.feed(shot(2, LOW_HZ, shows=True), shot(2, MIDDLE_HZ, shows=False))
        await store(site, answer(request))
        assert await kinds(site) == ["new_source"]


async def test_what_two_bands_saw_is_not_contradicted_by_a_third(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as site:
        for step in (0, 1):
            await site.feed(
                *(shot(step, hz, shows=step == 1) for hz in (LOW_HZ, MIDDLE_HZ)),
                shot(step, HIGH_HZ, shows=False),
            )
        (request,) = site.requests
        await store(site, answer(request))
        assert await kinds(site) == ["new_source"]


async def test_another_image_of_the_same_band_says_nothing(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as site:
        for step in (0, 1):
            await site.feed(
                shot(step, LOW_HZ, shows=step == 1),
                shot(step, LOW_HZ, shows=False, centre=(125.0, 10.0)),
            )
        (request,) = site.requests
        await store(site, answer(request))
        assert await kinds(site) == ["new_source"]


@pytest.mark.parametrize("stokes", [("I", "V"), ("V", "V")])
async def test_polarised_fluxes_say_nothing(postgres_url: str, stokes: tuple[str, str]) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as site:
        for step in (0, 1):
            await site.feed(
                shot(step, LOW_HZ, shows=step == 1, stokes=stokes[0]),
                shot(step, MIDDLE_HZ, shows=False, stokes=stokes[1]),
            )
        (request,) = site.requests
        await store(site, answer(request))
        assert await kinds(site) == ["new_source"]


async def test_images_that_start_almost_together_are_of_one_time(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as site:
        half_a_second = 0.499999 / 86400
        for step in (0, 1):
            await site.feed(
                shot(step, LOW_HZ, shows=step == 1),
                shot(step + half_a_second, MIDDLE_HZ, shows=False),
            )
        (request,) = site.requests
        await store(site, answer(request))
        assert await kinds(site) == ["new_source", "retraction"]


async def test_what_the_operator_took_back_stays_as_he_said(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    async with suspected(postgres_url) as site:
        (event,) = site.events
        command = ["alerts", "retract", event.trig_id, "--reason", "an aeroplane"]
        assert await asyncio.to_thread(run, command) == 0
        await store(site, answer(site.requests[0]))
        assert await kinds(site) == ["new_source", "retraction"]
        assert (await told(site))["retraction_reason"] == "an aeroplane"


async def test_what_strangers_ask_takes_nothing_back(postgres_url: str) -> None:
    """Their numbers are their own: another place, another purpose, another stream."""
    async with suspected(postgres_url) as site, suspected(postgres_url) as neighbour:
        (request,), (theirs,) = site.requests, neighbour.requests
        reply = answer(request)
        columns = reply.measurements
        for strange in (
            replace(reply, measurements=replace(columns, dec=columns.dec + 0.2)),
            replace(reply, stream=neighbour.stream),
            replace(reply, stream="of-nobody"),
            replace(reply, image_id=theirs.image_id[::-1]),
            replace(answer(theirs), measurements=columns),
        ):
            await store(site, strange)
        assert await kinds(site) == ["new_source"]
        assert await kinds(neighbour) == ["new_source"]
        await store(site, only(request, 0, extraction_type=("monitor",)))
        assert await kinds(site) == ["new_source"]


async def test_what_could_not_be_measured_contradicts_nothing(postgres_url: str) -> None:
    async with suspected(postgres_url) as site:
        await store(site, only(site.requests[0], 0, reason=("confused",)))
        assert await kinds(site) == ["new_source"]


async def wait_for_a_lock(site: Associator) -> None:
    """Wait until a transaction of this database waits for another one."""

    async def waits() -> bool:
        rows = await site.rows(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' "
            "and query like '%Lock and return the new sources%' and pid <> pg_backend_pid()"
        )
        return bool(rows)

    async with asyncio.timeout(10):
        while not await waits():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_what_is_seen_again_while_an_answer_waits_stands(postgres_url: str) -> None:
    """Two associators: one has the stream's images, the other its forced measurements."""
    async with suspected(postgres_url) as site:
        transient = await told(site)
        rival = await asyncpg.connect(postgres_url)
        try:
            update = rival.transaction()
            await update.start()
            await rival.execute(
                "update transient set n_updates = n_updates + 1 where id = $1", transient["id"]
            )
            await rival.execute(
                "update source set n_datapoints = 2 where id = $1", transient["source_id"]
            )
            waiting = asyncio.create_task(store(site, answer(site.requests[0])))
            await wait_for_a_lock(site)
            await update.commit()
            await waiting
        finally:
            await rival.close()
        assert await kinds(site) == ["new_source"]
        assert (await told(site))["state"] == "active"


async def test_an_update_that_waited_for_a_retraction_is_not_told(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hears that a source is brighter after hearing that there is none."""
    async with suspected(postgres_url) as site:
        (request,) = site.requests
        load_last_notified = Catalogue.load_last_notified

        async def and_then_it_is_retracted(*arguments: Any) -> list[LastNotified]:
            before = await load_last_notified(*arguments)
            await store(site, answer(request))
            return before

        monkeypatch.setattr(Catalogue, "load_last_notified", and_then_it_is_retracted)
        both = sources([STEADY, NEW], flux_jy=[0.015, 3 * FLUX_JY])
        await site.feed(image(2, both, freq_eff_hz=LOW_HZ), image(2, both, freq_eff_hz=MIDDLE_HZ))
        assert await kinds(site) == ["new_source", "retraction"]
        assert (await told(site))["n_updates"] == 0


async def test_suspects_are_found_by_index(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        # A scan is left where no index would do.
        await connection.execute("set enable_seqscan = off")
        plan = await connection.fetch(
            "explain " + load_query("services.associate", "lock_retraction_candidates"),
            "stream", "image", list(range(5000)), timedelta(seconds=0.5),
        )  # fmt: skip
    finally:
        await connection.close()
    assert [row[0] for row in plan if "Seq Scan" in row[0]] == []
