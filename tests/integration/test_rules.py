"""Rules in Python and in SQL are the same rules; a dry run is what the stream did."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livetrap.cli import run
from rules.explain import to_text
from rules.expression import parse
from rules.predicate import is_true
from rules.quantities import QUANTITIES, facts_of
from rules.rulebook import parse_rules
from rules.sql import SqlCondition
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.event_json import event_from_json, event_to_json
from schemas.messages import SourceEvent
from services.alert.handlers.transients import TransientHandler
from services.alert.storage import AlertStore
from tests.support.vtp_events import START, source_event

NUMBERS = [name for name, each in QUANTITIES.items() if each.kind == "number"]
TEXTS = [name for name, each in QUANTITIES.items() if each.kind == "text"]
FLAGS = [name for name, each in QUANTITIES.items() if each.kind == "flag"]
WORDS = ["new_source", "variable", "update", "night", "I", "certain", "", "it's", 'a"b', "ü"]

values = st.sampled_from([0.0, 1.0, 8.0, 45.6, -0.5, 1e-3, 25.0]) | st.floats(-1e6, 1e6)
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
texts = st.sampled_from(WORDS)
leaves = st.one_of(
    st.builds("{} {} {!r}".format, st.sampled_from(NUMBERS), signs, values),
    st.builds("{} {} {}".format, st.sampled_from(NUMBERS), signs, st.sampled_from(NUMBERS)),
    st.builds("{!r} < {} <= {!r}".format, values, st.sampled_from(NUMBERS), values),
    st.builds("{} {} {!r}".format, st.sampled_from(TEXTS), st.sampled_from(["==", "!="]), texts),
    st.builds("{} in {!r}".format, st.sampled_from(TEXTS), st.lists(texts, min_size=1)),
    st.builds("{} not in {!r}".format, st.sampled_from(NUMBERS), st.lists(values, min_size=1)),
    st.sampled_from(FLAGS),
    st.builds(
        "within({!r}, {!r}, {!r})".format,
        st.floats(-400, 400), st.floats(-90, 90), st.floats(0.01, 180),
    ),
)  # fmt: skip
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=8,
)
maybe = values | st.sampled_from([float("nan"), float("inf"), 5e-324, 1e308])
events = st.builds(
    lambda **changes: source_event(salt="rules", **changes),
    kind=st.sampled_from(["new_source", "variable", "update", "retraction"]),
    transient_kind=st.sampled_from(["", "new_source", "variable"]),
    certainty=st.sampled_from(["certain", "possible"]),
    stream=texts, telescope=st.none() | texts,
    snr=maybe, eta=maybe, v=maybe, flux_peak_jy_beam=maybe, flux_int_jy=maybe,
    limit_previous_jy_beam=st.none() | maybe, edge_distance_deg=st.none() | maybe,
    quality_flags=st.integers(0, 63), n_bands=st.integers(1, 9), n_datapoints=st.integers(0, 99),
    ra=st.floats(-400, 400), dec=st.floats(-90, 90),
)  # fmt: skip


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(postgres_url)
    yield made
    await made.close()


def test_python_and_sql_say_the_same(postgres_url: str) -> None:
    loop = asyncio.new_event_loop()
    made = loop.run_until_complete(asyncpg.connect(postgres_url))

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(text=expressions, event=events)
    def check(text: str, event: SourceEvent) -> None:
        node = parse(text)
        assert parse(to_text(node)) == node
        condition = SqlCondition(n_before=1)
        statement = f"select {condition.of(node)} from (select $1::text::jsonb as event) as e"  # noqa: S608
        answer = loop.run_until_complete(
            made.fetchval(statement, event_to_json(event), *condition.parameters)
        )
        assert answer is is_true(node, facts_of(event))

    try:
        check()
    finally:
        loop.run_until_complete(made.close())
        loop.close()


@given(event=events)
def test_an_event_survives_its_json(event: SourceEvent) -> None:
    again = event_from_json(event_to_json(event))
    assert facts_of(again) == facts_of(event)
    assert (again.times, again.time_start) == (event.times, event.time_start)


class Silent:
    """A Kafka that takes everything."""

    def known_ends(self) -> dict[str, int]:
        return {}

    async def find_sent(self, *_: object) -> dict[str, set[str]]:
        return {}

    async def send(self, *_: object) -> None:
        return None


RULES = """
[[rule]]
name = "bright"
when = "snr > 20 and not is_edge"
[[rule]]
name = "unknown here"
when = "kind == 'new_source' and snr > 10 and not matches('CATALOGUE', 60)"
"""


async def keep(
    connection: asyncpg.Connection, event: SourceEvent, time_detected: datetime
) -> None:
    """Write an event as the associator does, with all that its row needs."""
    transient = await connection.fetchval(
        "select id from transient where trig_id = $1", event.trig_id
    ) or await found(connection, event)
    await connection.execute(
        "insert into source_event (event_id, transient_id, kind, time_detected, event) "
        "values ($1, $2, $3, $4, $5::text::jsonb)",
        event.event_id, transient, event.kind, time_detected, event_to_json(event),
    )  # fmt: skip


async def found(connection: asyncpg.Connection, event: SourceEvent) -> int:
    """Write the source and the transient of an event."""
    stream = await connection.fetchval(
        "insert into stream (name) values ($1) on conflict (name) do update set name = "
        "excluded.name returning id",
        event.stream,
    )
    image = await connection.fetchval(
        "insert into image (image_id, stream_id, verdict, reasons, n_sources, source_cluster_id, "
        "source_topic, source_partition, source_offset, time_associated) "
        "values ($1, $2, 'accepted', '{}', 1, 'c', 't', 0, 0, now()) returning id",
        uuid.uuid4().hex, stream,
    )  # fmt: skip
    source = await connection.fetchval(
        "insert into source (stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, "
        "weight_dec, n_datapoints, eta, v, first_image, first_source_number, first_time_start, "
        "last_time_start) values ($1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, $2, 0, now(), now()) "
        "returning id",
        stream, image,
    )  # fmt: skip
    return await connection.fetchval(
        "insert into transient (event_id, trig_id, source_id, stream_id, kind, certainty, state, "
        "image, source_number, time_start, time_detected, ra, dec, ra_err_deg, dec_err_deg, "
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
    told = []
    for part, (n_events, ago_s, start_s) in enumerate(NIGHT):
        for step in range(n_events):
            family = source_event(int(random.integers(60)), salt=stream, stream=stream)
            # Some images are late; within a minute of images the limit of the minute counts.
            late_s = float(random.choice([0.0, 0.0, 25.0, 90.0])) if part == 2 else 0.0
            event = replace(
                family, event_id=f"{stream}-{part}-{step}",
                kind=str(random.choice(["new_source", "variable", "update", "retraction"])),
                transient_kind=str(random.choice(["new_source", "variable"])),
                image_id=f"{stream}-{part}-{step // 8}",
                time_start=START + timedelta(seconds=start_s + 3 * step - late_s),
                snr=float(random.uniform(5, 40)), quality_flags=int(random.random() < 0.2),
            )  # fmt: skip
            told.append((event, now - timedelta(seconds=ago_s - step)))
    return told


async def let_out(connection: asyncpg.Connection, held: asyncpg.Record, time: datetime) -> bytes:
    """Release an event as an operator does; return what comes on the topic."""
    assert await asyncio.to_thread(run, ["alerts", "release", held["event_id"]]) == 0
    await connection.execute(
        "update held_event set time_released = $2 where event_id = $1", held["event_id"], time
    )
    return encode_source_event(event_from_json(held["event"]))


async def dry_run(path: Path, since: str, stream: str, capsys: Any) -> list[dict[str, Any]]:
    capsys.readouterr()
    command = ["rules", "dry-run", str(path), "--since", since, "--json"]
    assert await asyncio.to_thread(run, command) == 0
    return [each for each in json.loads(capsys.readouterr().out) if each["stream"] == stream]


@pytest.mark.parametrize("seed", range(6))
async def test_a_dry_run_is_what_the_stream_did(
    connection: asyncpg.Connection, postgres_url: str, seed: int,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    for limit, value in LIMITS.items():
        monkeypatch.setenv(f"LIVETRAP_ALERT__{limit.upper()}", str(value))
    # A third of the places is in the reference catalogue.
    known = tmp_path / "known.csv"
    places = [source_event(number) for number in range(0, 60, 3)]
    Table({"ra": [p.ra for p in places], "dec": [p.dec for p in places]}).write(known)
    name = f"known-{uuid.uuid4().hex[:8]}"
    command = ["catalogues", "load", str(known), "--name", name]
    assert await asyncio.to_thread(run, command) == 0
    text = RULES.replace("CATALOGUE", name)
    path = tmp_path / "rules.toml"
    path.write_text(text)

    told = night(seed)
    stream = told[0][0].stream
    pool = await asyncpg.create_pool(postgres_url, min_size=1, max_size=2)
    handler = TransientHandler(
        AlertSettings(authority="org.test", **LIMITS),
        rules=lambda: parse_rules(text, "test"),
        store=AlertStore(pool), sender=Silent(), broadcast=lambda _: 0,
    )  # type: ignore[arg-type]  # fmt: skip
    n_before_since = 0
    for number, (event, time_detected) in enumerate(told):
        if event.event_id == f"{stream}-2-0":
            n_before_since = await connection.fetchval("select max(id) from alert")
        await keep(connection, event, time_detected)
        await handler.on_events([encode_source_event(event)])
        held = await connection.fetch(
            "select event_id, event::text as event from held_event where stream = $1 "
            "and time_released is null order by event_id", stream
        )  # fmt: skip
        if number % 11 == 10 and held:
            chosen, later = held[(seed + number) % len(held)], timedelta(seconds=0.5)
            value = await let_out(connection, chosen, time_detected + later)
            await handler.on_events([value])
    await pool.close()
    sent = await connection.fetch(
        "select id, event_id, rule, kind from alert where stream = $1 order by id", stream
    )
    waiting = dict(
        await connection.fetch(
            "select event_id, because from held_event where stream = $1 "
            "and time_released is null", stream
        )
    )  # fmt: skip
    assert waiting
    assert any(row["kind"] == "storm" for row in sent)

    for since, asked in (("24h", told), (SINCE, told[-NIGHT[2][0] :])):
        judged = await dry_run(path, since, stream, capsys)
        names = [event.event_id for event, _ in asked]
        assert [each["event_id"] for each in judged if each["kind"] != "storm"] == names
        first = 0 if asked is told else n_before_since
        expected = {
            row["event_id"]: row["rule"] or "(follows an alert)"
            for row in sent
            if row["event_id"] in names or (row["kind"] == "storm" and row["id"] > first)
        }
        would = {each["event_id"]: each["outcome"] for each in judged if each["is_alerted"]}
        assert would == expected
        kept = {e["event_id"]: e["why"][0] for e in judged if e["outcome"] == "held"}
        assert kept == {each: why for each, why in waiting.items() if each in names}
        assert 0 < len(would) < len(asked)

    assert await asyncio.to_thread(run, ["rules", "dry-run", str(path), "--examples", "50"]) == 0
    report = capsys.readouterr().out
    assert "no alert  no_rule" in report
    assert "alert  bright" in report
    assert "alert  storm of candidates" in report
    assert all(because in report for because in waiting.values())
    assert await asyncio.to_thread(run, ["catalogues", "delete", name]) == 0


PLACES = [
    (0.0, 0.0),
    (0.001, 0.0),
    (359.9999, 10.0),
    (10.0, 89.9999),
    (200.0, -90.0),
    (50.0, 0.4999),
]


@pytest.mark.parametrize(
    ("ra", "dec", "radius_arcsec", "expected"),
    [
        (0.0005, 0.0, 2.0, True),
        (0.0005, 0.0, 1.0, False),
        (0.0001, 10.0, 1.0, True),
        (-0.0001, 10.0, 1.0, True),
        (720.0, 0.0, 0.001, True),
        (190.0, 89.9999, 1.0, True),
        (190.0, 89.9999, 0.5, False),
        (20.0, -89.9999, 0.5, True),
        (50.0, 0.5001, 1.0, True),
        (50.0, -0.5001, 3599.0, False),
    ],
)
async def test_reference_catalogues_at_0h_the_poles_and_borders_of_zones(
    connection: asyncpg.Connection, ra: float, dec: float, radius_arcsec: float, *, expected: bool
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        number = await connection.fetchval(
            "insert into reference_catalogue (name, n_sources) values ('edge', 6) returning id"
        )
        await connection.copy_records_to_table(
            "reference_source",
            records=[(number, int(np.floor(dec / 0.5)), ra, dec) for ra, dec in PLACES],
            columns=["catalogue_id", "zone", "ra", "dec"],
        )
        found = await connection.fetchval(
            "select matches_reference('edge', $1, $2, $3)", ra, dec, radius_arcsec
        )
        assert found is expected
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("name", ["a.vot", "a.fits", "a.csv"])
def test_catalogues_are_read_from_the_usual_files(tmp_path: Path, name: str) -> None:
    from astropy import units

    from livetrap.reference_catalogues import read_positions

    path = tmp_path / name
    table = Table({"id": [1, 2], "RAJ2000": [1.5, 359.0], "DEJ2000": [-3.0, 4.0]})
    if name != "a.csv":
        table["RAJ2000"].unit = table["DEJ2000"].unit = units.deg
    table.write(path, format="votable" if name == "a.vot" else None)
    ra, dec = read_positions(path)
    assert (ra.tolist(), dec.tolist()) == ([1.5, 359.0], [-3.0, 4.0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "which column is pos.eq.ra"),
        ("ra,dec\n1,91\n", "1 of 1 rows have no position"),
        ("ra,dec\nx,1\n", "is no angle"),
        ("ra,dec\n", "have no position"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_words(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert run(["catalogues", "load", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_rules_are_checked_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rules", "check"]) == 0
    assert "certain new source" in capsys.readouterr().out
    assert run(["rules", "show"]) == 0
    path = tmp_path / "copy.toml"
    path.write_text(capsys.readouterr().out)
    assert run(["rules", "check", str(path)]) == 0
    path.write_text("[[rule]]\nname = 'a'\nwhen = 'sigma > 3'\n")
    assert run(["rules", "check", str(path)]) == 2
    assert "sigma is no quantity" in capsys.readouterr().err
    path.write_text("[[rule]]\nname = 'a'\nwhen = 'snr > 3'\nrole = 'injection'\n")
    assert run(["rules", "check", str(path)]) == 0
    assert "role injection" in capsys.readouterr().out
    assert run(["rules", "quantities"]) == 0
    assert "snr " in capsys.readouterr().out
    assert run(["rules", "dry-run", "--since", "yesterday"]) == 2
