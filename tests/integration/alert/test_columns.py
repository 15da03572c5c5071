"""Every value that is stored is found again under its own name; no two values are alike."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from rules.expression import Match
from schemas.event_json import event_to_json
from services.alert.models import NewAlert
from services.alert.storage import AlertStore
from tests.support.vtp_events import START, source_event

ALERT = NewAlert(
    ivorn="an ivorn", trig_id="a family", revision=1, event_id="an event", alert_type="initial",
    role="observation", transient_id=2, source_id=3, stream="a stream", kind="new_source", ra=4.0,
    dec=5.0, snr=6.0, flux_peak_jy_beam=7.0, time_start=START,
    time_alert=START + timedelta(seconds=9), voevent=b"<xml/>", notice=b'{"snr": 8}',
    latency_s=10.0, rule="a rule", image_id="an image", avro_packet=b"a packet",
)  # fmt: skip


async def fetch_one(pool: asyncpg.Pool, table: str) -> dict[str, Any]:
    (row,) = await pool.fetch(f"select * from {table}")  # noqa: S608  (names of this file)
    return dict(row)


async def test_every_column_of_an_alert_and_of_its_delivery_to_kafka(pool: asyncpg.Pool) -> None:
    values = asdict(ALERT) | {"notice": {"snr": 8}}
    assert len({repr(value) for value in values.values()}) == len(values)
    store = AlertStore(pool)
    async with store.transaction() as transaction:
        stored = await transaction.add(ALERT, {"topic/0": 11})
    published = ALERT.time_alert + timedelta(seconds=12)
    await store.mark_published([stored.id], published)
    row = await fetch_one(pool, "alert")
    row["notice"] = json.loads(row["notice"])
    assert {name: row[name] for name in values} == values
    assert json.loads(row["kafka_low_watermark"]) == {"topic/0": 11}
    assert row["time_published"] == published
    assert await fetch_one(pool, "delivery") == {
        "alert_id": stored.id,
        "channel": "kafka",
        "subscriber": "both topics",
        "time_sent": ALERT.time_alert,
        "time_acknowledged": published,
    }


async def test_every_column_of_a_suppressed_event(pool: asyncpg.Pool) -> None:
    event = source_event(stream="another stream")
    async with AlertStore(pool).transaction() as transaction:
        await transaction.suppress(event, storm="a storm", reason="a reason")
    row = await fetch_one(pool, "suppressed_event")
    names = ("event_id", "trig_id", "stream", "image_id")
    assert {name: row[name] for name in names} == {name: getattr(event, name) for name in names}
    assert (row["storm"], row["reason"]) == ("a storm", "a reason")
    assert row["time_released"] is row["time_decided"] is None
    assert json.loads(row["event"]) == json.loads(event_to_json(event))


async def test_every_column_of_the_history(pool: asyncpg.Pool) -> None:
    """Each condition of the statement is asked about an event that only it finds."""
    event = source_event(1, earlier_trig_ids=("earlier", "unknown"))
    columns = (
        ("of the family", event.trig_id, "other", "other", START),
        ("of the family too", event.trig_id, "other", "other", START),
        ("of the image", "other", event.image_id, "other", START),
        ("of the stream", "other", "other", event.stream, START - timedelta(seconds=30)),
        ("long before", "other", "other", event.stream, START - timedelta(seconds=90)),
        ("of an earlier episode", "earlier", "other", "other", START),
    )
    store = AlertStore(pool)
    async with store.transaction() as transaction:
        for revision, (name, trig_id, image_id, stream, time_start) in enumerate(columns):
            values = asdict(ALERT) | {
                "event_id": name, "ivorn": name, "trig_id": trig_id, "image_id": image_id,
                "stream": stream, "time_start": time_start,
                "revision": 0 if trig_id == "earlier" else 20 + revision,
            }  # fmt: skip
            await transaction.add(NewAlert(**values), {})
        own = await transaction.get_alert_history(event)  # counted in memory
    async with store.transaction() as transaction:
        history = await transaction.get_alert_history(event)
    assert own == history
    assert (history.revision, history.n_of_image, history.n_of_minute) == (2, 1, 1)
    assert history.release is None
    assert history.earlier_ivorns == ("of an earlier episode",)


@pytest.mark.parametrize("key", ["near", "far"])
async def test_every_column_of_the_matches(pool: asyncpg.Pool, key: str) -> None:
    """Both positions and both catalogues would answer otherwise if two columns were swapped."""
    catalogue_id = await pool.fetchval(
        "insert into reference_catalogue (name, n_sources) values ($1, 1) returning id", key
    )
    await pool.execute("insert into reference_source values ($1, 40, 80.0, 20.0)", catalogue_id)
    radius_arcsec = {"near": 1.0, "far": 7200.0}[key]
    match = Match(catalogue=key, radius_arcsec=radius_arcsec)
    answers = await AlertStore(pool).match_references([(80.0, 20.5), (20.0, 80.0)], [match])
    assert answers == [{match.key: key == "far"}, {match.key: False}]
