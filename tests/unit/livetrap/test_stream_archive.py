"""Files of the archive: whole, without repeated records, and read in the order of time."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrap.stream_replay import archive as archiving
from livetrap.stream_replay.archive import Archive
from livetrap.stream_replay.archive_files import (
    ArchivedRecord,
    Place,
    delete_days_before,
    list_files,
    read_records,
    write_records,
)
from livetrap.stream_replay.archived_stream import read_timesteps
from runtime.kafka import InMessage
from schemas.codec import encode_image_detections
from schemas.topics import Topics
from tests.support.records import START, image

STREAMS = ("night", "a/b ..", "..")


def to_messages(steps: Sequence[float], streams: Sequence[str]) -> list[InMessage]:
    return [
        InMessage(
            "detections-v1", 0, offset, b"", encode_image_detections(image(step, stream=stream))
        )
        for offset, (step, stream) in enumerate(zip(steps, streams, strict=True))
    ]


def archive_of(folder: Path) -> Archive:
    return Archive(folder, Topics(), "cluster")


def offsets_of(folder: Path, stream: str) -> list[int]:
    files = list_files(folder, "detections", stream)
    return [record.offset for path in files for record in read_records(path)]


def test_a_repeated_record_is_written_once(tmp_path: Path) -> None:
    messages = to_messages([0, 0.1, 1, 2], ["night", *STREAMS])
    for _ in range(2):
        archive = archive_of(tmp_path)
        for message in [*messages[:2], *messages]:
            archive.add(message)
        archive.write()
    assert archive.n_records == 0
    assert [offsets_of(tmp_path, each) for each in STREAMS] == [[0, 1], [2], [3]]


def test_a_process_that_dies_between_two_files_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = to_messages([0, 1, 2], STREAMS)
    archive = archive_of(tmp_path)
    for message in messages:
        archive.add(message)
    n_left = 2

    def die(folder: Path, place: Place, records: Sequence[ArchivedRecord]) -> None:
        nonlocal n_left
        n_left -= 1
        if not n_left:
            raise KeyboardInterrupt("killed")
        write_records(folder, place, records)

    with monkeypatch.context() as patched:
        patched.setattr(archiving, "write_records", die)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            archive.write()
    again = archive_of(tmp_path)
    for message in messages:
        again.add(message)
    again.write()
    assert [offsets_of(tmp_path, each) for each in STREAMS] == [[0], [1], [2]]


def test_what_is_no_record_is_left_out(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    archive.add(InMessage("detections-v1", 0, 0, b"", b"none"))
    archive.add(replace(to_messages([0], ["night"])[0], offset=1))
    archive.write()
    assert offsets_of(tmp_path, "night") == [1]


@given(st.permutations(range(6)))
def test_timesteps_come_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    archive = archive_of(folder)
    for message in to_messages([each // 2 for each in order], ["night"] * 6):
        archive.add(message)
        archive.write()
    steps = read_timesteps(
        folder, "night", START + timedelta(days=1), START + timedelta(days=3), tolerance_s=0.5
    )
    starts = [{each.metadata.time_start for each in records if each.metadata} for records in steps]
    assert starts == [{START + timedelta(days=1)}, {START + timedelta(days=2)}]


def test_old_days_are_deleted(tmp_path: Path) -> None:
    record = ArchivedRecord(0, "image", None, b"")
    for day in (1, 2, 3):
        write_records(
            tmp_path, Place("forced", "night", date(2026, 1, day), "0" * 8 + "-0"), [record]
        )
    now = datetime(2026, 1, 4, 12, tzinfo=UTC)
    assert delete_days_before(tmp_path, keep_days=2, now=now) == 0
    for folder in tmp_path.glob("*/*/*"):
        written = datetime(2026, 1, 1 if folder.name == "2026-01-01" else 3, tzinfo=UTC)
        os.utime(folder, (0, written.timestamp()))
    assert delete_days_before(tmp_path, keep_days=2, now=now) == 1
    assert len(list_files(tmp_path, "forced", "night")) == 2


def test_days_that_are_old_are_deleted_when_files_are_written(tmp_path: Path) -> None:
    messages = to_messages([0, 1], ["old", "night"])
    archive = Archive(tmp_path, Topics(), "cluster", keep_days=30)
    archive.add(messages[0])
    archive.write()
    (day,) = tmp_path.glob("*/old/*")
    os.utime(day, (0, 0))
    archive.add(messages[1])
    archive.write()
    assert list_files(tmp_path, "detections", "old") == []
    assert offsets_of(tmp_path, "night") == [1]
