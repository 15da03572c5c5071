"""The events of a timestep are stored together: in order, each with its transient."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.event_json import event_from_json
from schemas.messages import SourceEvent
from schemas.topics import Topics
from services.associate.models.decisions import Notification
from services.associate.storage import Catalogue
from tests.support.association import Associator, associator
from tests.support.records import image, sources
from tests.support.statements import counted_statements


def places(n: int) -> list[tuple[float, float]]:
    return [(120.0 + 0.5 * number, 9.0 + 0.01 * number) for number in range(n)]


async def stored_events(case: Associator) -> list[tuple[int, SourceEvent]]:
    """Return the events of a stream in the order of their keys, with the transients they name."""
    rows = await case.rows(
        "select source_event.transient_id, source_event.event from source_event "
        "join transient on transient.id = transient_id join stream on stream.id = stream_id "
        "where stream.name = $1 order by source_event.id",
        case.stream,
    )
    return [(row["transient_id"], event_from_json(row["event"])) for row in rows]


@pytest.mark.parametrize("n_sources", [1, 2, 12])
async def test_new_sources_have_their_own_transients_in_order(
    postgres_url: str, n_sources: int
) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0))
        fluxes = [0.02 + 0.001 * number for number in range(n_sources)]
        await case.feed(image(1, sources(places(n_sources), flux_jy=fluxes)))
        rows = await case.rows(
            "select transient.*, source.ra as source_ra from transient "
            "join source on source.id = source_id join stream on stream.id = transient.stream_id "
            "where stream.name = $1 order by transient.id",
            case.stream,
        )
        stored = await stored_events(case)
    assert [each.kind for each in case.events] == ["new_source"] * n_sources
    told = [
        (each.event_id, each.transient_id, each.trig_id, each.source_id, each.flux_peak_jy_beam)
        for each in case.events
    ]
    assert told == [
        (row["event_id"], row["id"], row["trig_id"], row["source_id"], row["flux_peak_jy_beam"])
        for row in rows
    ]
    assert sorted(each.flux_peak_jy_beam for each in case.events) == pytest.approx(fluxes)
    assert [row["ra"] for row in rows] == [row["source_ra"] for row in rows]
    assert stored == [(each.transient_id, each) for each in case.events]


async def test_more_events_take_no_more_statements(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for n_sources in (8, 16):  # as many as an image is solved by
        async with associator(postgres_url) as case:
            await case.feed(image(0))
            with counted_statements(monkeypatch) as statements:
                await case.feed(image(1, sources(places(n_sources), flux_jy=0.02)))
            assert len(case.events) == n_sources
            counts.append(statements)
    assert counts[0] == counts[1]


async def test_updates_of_what_was_retracted_meanwhile_are_dropped_alone(
    postgres_url: str,
) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0))
        await case.feed(image(1, sources(places(4), flux_jy=0.02)))
        first = list(case.events)
        gone = first[1].transient_id
        updates = [
            replace(each, event_id=f"update of {each.event_id}", kind="update", snr=90.0 + number)
            for number, each in enumerate(first)
        ]
        now = datetime.now(UTC)
        async with case.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "update transient set state = 'retracted' where id = $1", gone
            )
            await Catalogue(connection).store_notifications(
                [Notification(each, now, None) for each in reversed(updates)], Topics()
            )
        stored = await stored_events(case)
        rows = await case.rows(
            "select id, n_updates, last_notified_snr from transient where id = any($1) "
            "order by id",
            [each.transient_id for each in first],
        )
    kept = [each for each in reversed(updates) if each.transient_id != gone]
    assert [event for _, event in stored[4:]] == kept
    assert [(row["id"] == gone, row["n_updates"], row["last_notified_snr"]) for row in rows] == [
        (False, 1, 90.0), (True, 0, None), (False, 1, 92.0), (False, 1, 93.0),
    ]  # fmt: skip
