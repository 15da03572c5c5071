"""Nothing lost, nothing twice: replays, duplicates, late images, fencing, bad records, crashes."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from livetrap.operator.streams import reset_clock
from runtime.attempts import AttemptLog
from runtime.errors import TransientError
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import InMessage
from runtime.settings import PostgresSettings, Settings
from schemas.messages import ImageDetections
from services.associate.storage import Catalogue
from tests.support.association import Associator, associator
from tests.support.records import image, rejected, sources

POSITION = (123.123, 10.5)
BANDS = (120e6, 150e6)


def night() -> list[ImageDetections]:
    """Return six timesteps of two bands: a steady source, and a new one in step 3."""
    records = []
    for step in range(6):
        positions = [POSITION, (124.0, 11.0)] if step >= 3 else [POSITION]
        records += [
            image(step, sources(positions, flux_jy=0.02 + 0.001 * step), freq_eff_hz=band)
            for band in BANDS
        ]
    return records


async def catalogue_of(case: Associator) -> Any:
    """Return what the database has of a stream, without ids and keys."""
    found = [
        (round(row["ra"], 9), row["n_datapoints"], row["eta"], row["v"], row["is_new"])
        for row in await case.sources()
    ]
    curves = [(row["n_datapoints"], row["flux_int_wm2"]) for row in await case.light_curves()]
    detections = await case.rows(
        "select count(*) as n from detection join image using (image_key) "
        "join stream on stream.id = image.stream_id where name = $1",
        case.stream,
    )
    return found, curves, detections, await case.outcomes()


async def feed_night(case: Associator) -> None:
    records = night()
    for first in range(0, len(records), 2):
        await case.feed(*records[first : first + 2])


async def test_a_restart_that_reads_everything_again_changes_nothing(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await feed_night(case)
        before = await catalogue_of(case)
        assert len(case.events) == 1
    async with associator(postgres_url, name=case.stream) as again:
        assert again.offset == len(night())
        again.offset = 0
        await feed_night(again)
        assert await catalogue_of(again) == before
        assert again.events == []


async def test_a_stream_that_changes_its_partition_loses_no_image_at_a_crash(
    postgres_url: str,
) -> None:
    bands = [image(step, [POSITION], freq_eff_hz=band) for step in (0, 1) for band in BANDS]
    wait = {"window_timeout_s": 1e6, "partitions": (0, 1)}
    async with associator(postgres_url, **wait) as case:
        await case.feed(*bands[:2])
        # The rest of the stream comes on another partition, and one image of a timestep waits.
        case.deliver(bands[2:3], partition=1)
        await case.settle()
        case.deliver([rejected(image(9))], partition=1)
        await case.settle()
        assert await case.outcomes() == {"processed": 2, "rejected": 1}
    async with associator(postgres_url, name=case.stream, **wait) as again:
        rows = await again.rows(
            "select partition, next_offset from consumed_offset where cluster_id = $1 "
            "order by partition",
            case.stream,
        )
        assert [(row["partition"], row["next_offset"]) for row in rows] == [(0, 2), (1, 2)]
        again.offset = 2
        again.deliver([bands[2], rejected(image(9)), bands[3]], partition=1)
        await again.settle()
        assert await again.outcomes() == {"processed": 4, "rejected": 1}


async def test_a_duplicate_is_recorded_and_changes_no_light_curve(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [POSITION]))
        await case.feed(image(0, [POSITION]))
        assert await case.outcomes() == {"processed": 1, "duplicate": 1}
        assert [row["n_datapoints"] for row in await case.sources()] == [1]


async def test_two_copies_in_one_timestep_are_one_image(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [POSITION]), image(0, [POSITION]))
        assert await case.outcomes() == {"processed": 1, "duplicate": 1}


async def test_a_late_image_is_associated_on_its_own(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(5, [POSITION]))
        await case.feed(image(3, [POSITION]))
        assert await case.outcomes() == {"processed": 1, "late": 1}
        (only,) = await case.sources()
        assert only["n_datapoints"] == 2
        assert only["last_time_start"].day == 6


async def test_an_image_far_ahead_holds_no_offset_once_the_stream_goes_on(
    postgres_url: str,
) -> None:
    async with associator(postgres_url, window_timeout_s=1e6) as case:
        for step in range(5):
            await case.feed(image(step, [POSITION]))
        await case.feed(image(2000, [POSITION]))
        assert await case.outcomes() == {"processed": 5}
        await case.feed(image(5, [POSITION]))
        assert await case.outcomes() == {"processed": 6, "late": 1}
        await case.feed(image(3000, [POSITION]))
    # Another process knows the cadence, too, and reads what was held again.
    async with associator(postgres_url, name=case.stream, window_timeout_s=1e6) as again:
        assert again.offset == 7
        await again.feed(image(3000, [POSITION]))
        assert await again.outcomes() == {"processed": 6, "late": 1}
        await again.feed(image(6, [POSITION]))
        assert await again.outcomes() == {"processed": 7, "late": 2}
        (offset,) = await again.rows(
            "select next_offset from consumed_offset where cluster_id = $1", case.stream
        )
        assert offset["next_offset"] == again.offset == 9


async def test_a_rejected_image_is_recorded_with_its_reason(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(rejected(image(0), "no_beam"))
        rows = await case.rows("select reasons from image_ledger where stream = $1", case.stream)
        assert rows == [{"reasons": ["no_beam"]}]


async def test_an_associator_that_lost_its_partition_is_fenced(postgres_url: str) -> None:
    async with (
        associator(postgres_url) as case,
        associator(postgres_url, name=case.stream) as fenced,
    ):
        await case.feed(image(0, [POSITION]))
        fenced.deliver([image(0, [POSITION]), image(1, [POSITION])])
        assert await fenced.handler.associate_ready() is False
        assert await case.outcomes() == {"processed": 1}
        # It takes the partition again and goes on behind the other one.
        offsets = await fenced.handler.take_partitions(fenced.handler.partitions())
        fenced.offset = offsets[0]
        await fenced.feed(image(1, [POSITION]))
        assert await case.outcomes() == {"processed": 2}


async def test_a_record_that_postgresql_refuses_becomes_a_dead_letter_alone(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the text had a character of a kind that nobody thought of.
    monkeypatch.setattr("services.associate.storage.images.to_storable_text", str)
    async with associator(postgres_url) as case:
        unstorable = image(0, [POSITION], salt="unstorable")
        unstorable = replace(unstorable, reason_text="a NUL \0 in a text")
        await case.feed(image(0, [POSITION], freq_eff_hz=BANDS[0]), unstorable)
        (dead_letter,) = case.handler.dead_letters.pending
        assert dead_letter.headers["reason"] == "unstorable"
        case.handler.dead_letters.clear()
        await case.settle()
        await case.feed(image(1, [POSITION]))
        assert await case.outcomes() == {"processed": 2, "rejected": 1}


async def test_bytes_that_are_no_record_become_a_dead_letter(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        case.handler.on_message(InMessage("detections-v1", 0, 0, b"k", b"garbage"))
        (dead_letter,) = case.handler.dead_letters.pending
        assert dead_letter.value == b"garbage"
        assert dead_letter.headers["reason"] == "bad_avro"
        case.handler.dead_letters.clear()
        case.offset = 1
        await case.settle()
        offsets = await case.rows(
            "select next_offset from consumed_offset where cluster_id = $1", case.stream
        )
        assert offsets == [{"next_offset": 1}]


async def test_an_invalid_record_becomes_a_dead_letter(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        invalid = image(0, sources([(float("nan"), 10.0)]))
        case.deliver([invalid])
        (dead_letter,) = case.handler.dead_letters.pending
        assert "ra of a source" in dead_letter.headers["error"]


async def test_the_same_image_in_two_streams_is_two_images(postgres_url: str) -> None:
    async with associator(postgres_url) as one, associator(postgres_url) as other:
        await one.feed(image(0, [POSITION]))
        await other.feed(image(0, [POSITION]))
        assert await one.outcomes() == await other.outcomes() == {"processed": 1}


STATEMENTS = [
    "move_offsets", "ensure_stream", "find_images", "load_start", "load_sources",
    "load_statistics", "reserve_source_ids", "load_prior_coverage", "load_null_detections",
    "record_outcomes", "insert_timestep", "insert_images", "insert_sources",
    "update_sources", "write_statistics", "insert_detections", "insert_transients",
    "insert_events", "upsert_sky_coverage", "close_timestep",
]  # fmt: skip
# Called in some timesteps, not in the last.
ONLY_ON_THE_WAY = frozenset(
    {"reserve_source_ids", "load_prior_coverage", "insert_transients", "insert_events"}
)


async def test_a_crash_at_any_statement_leaves_the_undisturbed_rows(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with associator(postgres_url) as case:
        await feed_night(case)
        undisturbed = await catalogue_of(case)
    for statement in STATEMENTS:
        broken = _break_once_each_timestep(monkeypatch, statement)
        async with associator(postgres_url) as case:
            records = night()
            for first in range(0, len(records), 2):
                case.deliver(records[first : first + 2])
                broken.clear()
                while True:
                    try:
                        await case.settle()
                    except TransientError:
                        continue
                    break
            assert await catalogue_of(case) == undisturbed, statement
            assert len(case.events) == 1, statement
        assert statement in broken or statement in ONLY_ON_THE_WAY
        monkeypatch.undo()


def _break_once_each_timestep(monkeypatch: pytest.MonkeyPatch, statement: str) -> set[str]:
    """Let a statement fail after it was executed, once until the returned set is cleared."""
    broken: set[str] = set()
    original = getattr(Catalogue, statement)

    async def flaky(self: Catalogue, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        if statement not in broken:
            broken.add(statement)
            raise TransientError("the database went away")
        return result

    monkeypatch.setattr(Catalogue, statement, flaky)
    return broken


async def test_every_statement_can_be_prepared(postgres_url: str) -> None:
    from importlib.resources import files

    connection = await asyncpg.connect(postgres_url)
    try:
        queries = sorted((files("services.associate") / "queries").iterdir(), key=str)
        assert len(queries) > 20
        for query in queries:
            await connection.prepare(query.read_text(encoding="utf-8"))
    finally:
        await connection.close()


async def test_a_rejected_image_that_is_accepted_later_is_processed(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(rejected(image(0, [POSITION])))
        await case.feed(rejected(image(0, [POSITION])))
        await case.feed(image(0, [POSITION]))
        await case.feed(image(0, [POSITION]))
        assert await case.outcomes() == {"rejected": 1, "duplicate": 2, "processed": 1}
        assert len(await case.sources()) == 1


async def test_an_unexpected_failure_is_tried_twice_and_recorded(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    async def fail(*_: object, **__: object) -> None:
        calls.append(1)
        raise ZeroDivisionError("broken on purpose")

    async with associator(postgres_url) as case:
        with monkeypatch.context() as patch:
            patch.setattr("services.associate.handlers.detections.associate_timestep", fail)
            await case.feed(image(0, [POSITION]))
        (dead_letter,) = case.handler.dead_letters.pending
        assert dead_letter.headers["reason"] == "internal_error"
        assert "ZeroDivisionError: broken on purpose" in dead_letter.headers["error"]
        assert len(calls) == 2
        case.handler.dead_letters.clear()
        await case.feed(image(1, [POSITION]))
        assert await case.outcomes() == {"processed": 1, "rejected": 1}


async def test_bytes_that_are_no_record_are_recorded(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        key = case.stream.encode()
        case.handler.on_message(InMessage("detections-v1", 0, case.offset, key, b"junk"))
        case.offset += 1
        case.handler.dead_letters.clear()
        await case.settle()
        assert await case.outcomes() == {"rejected": 1}


async def test_texts_that_no_column_takes_are_stored_with_question_marks(
    postgres_url: str,
) -> None:
    async with associator(postgres_url) as case:
        await case.feed(
            replace(rejected(image(0)), reason_text="fits:\x00"),
            replace(image(1, [POSITION]), warnings=("ignored_card \x00",)),
        )
        assert await case.outcomes() == {"processed": 1, "rejected": 1}
        assert case.handler.dead_letters.pending == ()


async def test_a_timestep_in_which_processes_ended_is_split_and_the_image_at_fault_rejected(
    postgres_url: str, tmp_path: Path
) -> None:
    fatal = image(0, [POSITION], freq_eff_hz=BANDS[1])
    attempts = AttemptLog(tmp_path, group="dead")
    async with associator(postgres_url) as case:
        messages = case.deliver([image(0, [POSITION], freq_eff_hz=BANDS[0]), fatal])
        case.handler._in_flight = InFlight(attempts, MessageLimits())
        for message, n_ended in zip(messages, (3, 4), strict=True):
            for _ in range(n_ended):
                attempts.begin(message)
        await case.settle()
        (dead_letter,) = case.handler.dead_letters.pending
        assert dead_letter.headers["reason"] == "killed_the_process"
        case.handler.dead_letters.clear()
        await case.settle()
        assert await case.outcomes() == {"processed": 1, "rejected": 1}


async def test_a_clock_is_reset_on_request(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(5, [POSITION]))
        await case.feed(image(2, [POSITION]))
        assert await case.outcomes() == {"processed": 1, "late": 1}
        settings = Settings(postgres=PostgresSettings(url=SecretStr(postgres_url)))
        await asyncio.to_thread(reset_clock, settings, case.stream)
        await case.handler.reset_clocks()
        await case.feed(image(3, [POSITION]))
        assert await case.outcomes() == {"processed": 2, "late": 1}
