"""A dry run of rules gives what the alert service did, storms included."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from livetrap.cli import run
from rules.rule_set import parse_rules
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.event_json import event_from_json, event_to_json
from schemas.messages import SourceEvent
from services.alert.handlers.transients import TransientHandler
from services.alert.storage import AlertStore
from tests.support.alert_sender import MemorySender
from tests.support.loaded_catalogue import loaded_catalogue
from tests.support.vtp_events import START, source_event


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(postgres_url)
    yield made
    await made.close()


RULES = """
[[rule]]
name = "bright"
when = "snr > 20 and not is_edge"
[[rule]]
name = "unknown here"
when = "kind == 'new_source' and snr > 10 and not matches('CATALOGUE', 60)"
"""


async def add_event(
    connection: asyncpg.Connection, event: SourceEvent, time_detected: datetime
) -> None:
    """Write an event as the associator does, with all that its row needs."""
    transient = await connection.fetchval(
        "select id from transient where trig_id = $1", event.trig_id
    ) or await add_transient(connection, event)
    await connection.execute(
        "insert into source_event (event_id, transient_id, kind, time_detected, event) "
        "values ($1, $2, $3, $4, $5::text::jsonb)",
        event.event_id, transient, event.kind, time_detected, event_to_json(event),
    )  # fmt: skip


async def add_transient(connection: asyncpg.Connection, event: SourceEvent) -> int:
    """Write the source and the transient of an event."""
    stream = await connection.fetchval(
        "insert into stream (name) values ($1) on conflict (name) do update set name = "
        "excluded.name returning id",
        event.stream,
    )
    image = await connection.fetchval(
        "insert into image (image_id, stream_id, verdict, reasons, n_sources, kafka_cluster_id, "
        "kafka_topic, kafka_partition, kafka_offset, time_associated) "
        "values ($1, $2, 'accepted', '{}', 1, 'c', 't', 0, 0, now()) returning image_key",
        uuid.uuid4().hex, stream,
    )  # fmt: skip
    source = await connection.fetchval(
        "insert into source (stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, "
        "weight_dec, n_datapoints, eta, v, first_image_key, first_source_number, "
        "first_time_start, last_time_start) "
        "values ($1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, $2, 0, now(), now()) "
        "returning id",
        stream, image,
    )  # fmt: skip
    return await connection.fetchval(
        "insert into transient (event_id, trig_id, source_id, stream_id, kind, certainty, state, "
        "image_key, source_number, time_start, time_detected, ra, dec, ra_err_deg, dec_err_deg, "
        "flux_peak_jy_beam, snr, eta, v) values ($1, $2, $3, $4, 'new_source', 'certain', "
        "'active', $5, 0, now(), now(), 0, 0, 0, 0, 0, 0, 0, 0) returning id",
        event.event_id, event.trig_id, source, stream, image,
    )  # fmt: skip


# How long ago the events of a night were found, and when their images began: those of long ago,
# those just before the time that is asked for, and those that are asked for.
NIGHT = [(24, 240 * 60, 0), (24, 65 * 60, 900), (40, 60 * 60, 1000)]
SINCE = "62m"
LIMITS = {"max_per_image": 2, "max_per_minute": 5}


def night(seed: int) -> list[tuple[SourceEvent, datetime]]:
    """Return the events of some families, in a random order of kinds, strengths and images."""
    random = np.random.default_rng(seed)
    stream = f"dry-{uuid.uuid4().hex[:8]}"
    now = datetime.now(UTC)
    events = []
    for part, (n_events, ago_s, start_s) in enumerate(NIGHT):
        for step in range(n_events):
            family = source_event(int(random.integers(60)), salt=stream, stream=stream)
            # Some images are late; within a minute of images the limit of the minute counts.
            late_s = float(random.choice([0.0, 0.0, 25.0, 90.0])) if part == 2 else 0.0
            event = replace(
                family, event_id=f"{stream}-{part}-{step}",
                transient_id=0,  # no other test's
                kind=str(random.choice(["new_source", "variable", "update", "retraction"])),
                transient_kind=str(random.choice(["new_source", "variable"])),
                image_id=f"{stream}-{part}-{step // 8}",
                time_start=START + timedelta(seconds=start_s + 3 * step - late_s),
                snr=float(random.uniform(5, 40)), quality_flags=int(random.random() < 0.2),
            )  # fmt: skip
            events.append((event, now - timedelta(seconds=ago_s - step)))
    return events


async def release(
    connection: asyncpg.Connection, suppressed: asyncpg.Record, time: datetime
) -> bytes:
    """Release an event as an operator does; return what comes on the topic."""
    assert await asyncio.to_thread(run, ["alerts", "release", suppressed["event_id"]]) == 0
    await connection.execute(
        "update suppressed_event set time_released = $2 where event_id = $1",
        suppressed["event_id"],
        time,
    )
    return encode_source_event(event_from_json(suppressed["event"]))


async def dry_run(path: Path, since: str, stream: str, capsys: Any) -> list[dict[str, Any]]:
    capsys.readouterr()
    command = ["rules", "dry-run", str(path), "--since", since, "--json"]
    assert await asyncio.to_thread(run, command) == 0
    return [each for each in json.loads(capsys.readouterr().out) if each["stream"] == stream]


@pytest.fixture
async def catalogue(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Name of a reference catalogue with a third of the positions."""
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    for limit, value in LIMITS.items():
        monkeypatch.setenv(f"LIVETRAP_ALERT__{limit.upper()}", str(value))
    places = [source_event(number) for number in range(0, 60, 3)]
    async with loaded_catalogue(tmp_path, [(place.ra, place.dec) for place in places]) as name:
        yield name


async def run_night(
    connection: asyncpg.Connection, postgres_url: str, rules: str, *, seed: int
) -> tuple[list[tuple[SourceEvent, datetime]], int]:
    """Alert a night as the service does; return its events, and the last alert before SINCE.

    From time to time a suppressed event is released.
    """
    events = night(seed)
    stream = events[0][0].stream
    pool = await asyncpg.create_pool(postgres_url, min_size=1, max_size=2)
    handler = TransientHandler(
        AlertSettings(authority="org.test", **LIMITS),
        rules=lambda: parse_rules(rules, "test"),
        store=AlertStore(pool), sender=MemorySender(),
    )  # type: ignore[arg-type]  # fmt: skip
    last_before = 0
    for number, (event, time_detected) in enumerate(events):
        if event.event_id == f"{stream}-2-0":
            last_before = await connection.fetchval("select max(id) from alert")
        await add_event(connection, event, time_detected)
        await handler.on_events([encode_source_event(event)])
        suppressed = await connection.fetch(
            "select event_id, event::text as event from suppressed_event where stream = $1 "
            "and time_released is null order by event_id", stream
        )  # fmt: skip
        if number % 11 == 10 and suppressed:
            chosen = suppressed[(seed + number) % len(suppressed)]
            value = await release(connection, chosen, time_detected + timedelta(seconds=0.5))
            await handler.on_events([value])
    await pool.close()
    return events, last_before


@pytest.mark.parametrize("seed", range(6))
async def test_a_dry_run_gives_what_the_alert_service_did(
    connection: asyncpg.Connection, postgres_url: str, seed: int, catalogue: str,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "rules.toml"
    path.write_text(RULES.replace("CATALOGUE", catalogue))
    events, last_before = await run_night(connection, postgres_url, path.read_text(), seed=seed)
    stream = events[0][0].stream
    sent = await connection.fetch(
        "select id, event_id, rule, kind from alert where stream = $1 order by id", stream
    )
    suppressed = dict(
        await connection.fetch(
            "select event_id, reason from suppressed_event where stream = $1 "
            "and time_released is null", stream
        )
    )  # fmt: skip
    assert suppressed
    assert any(row["kind"] == "storm" for row in sent)

    for since, asked in (("24h", events), (SINCE, events[-NIGHT[2][0] :])):
        replayed = await dry_run(path, since, stream, capsys)
        names = [event.event_id for event, _ in asked]
        assert [each["event_id"] for each in replayed if each["kind"] != "storm"] == names
        first = 0 if asked is events else last_before
        expected = {
            row["event_id"]: row["rule"] or "(follows an alert)"
            for row in sent
            if row["event_id"] in names or (row["kind"] == "storm" and row["id"] > first)
        }
        would = {each["event_id"]: each["outcome"] for each in replayed if each["is_alerted"]}
        assert would == expected
        kept = {e["event_id"]: e["why"][0] for e in replayed if e["outcome"] == "suppressed"}
        assert kept == {each: why for each, why in suppressed.items() if each in names}
        assert 0 < len(would) < len(asked)
    await assert_report(path, suppressed.values(), capsys)


async def assert_report(path: Path, reasons: Iterable[str], capsys: Any) -> None:
    """Check the report in text, which has every outcome and every reason."""
    assert await asyncio.to_thread(run, ["rules", "dry-run", str(path), "--examples", "50"]) == 0
    report = capsys.readouterr().out
    for part in ("no alert  no_rule", "alert  bright", "alert  storm of candidates", *reasons):
        assert part in report
