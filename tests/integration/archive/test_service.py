"""Accepted images become files, whatever happens on the way."""

import asyncio
import io
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import asyncpg
import numpy as np
import pytest
from astropy.io import fits
from confluent_kafka import Consumer, TopicPartition

from livetrap.stack.ports import choose_port
from runtime.kafka.connection import common_config
from schemas.codec import decode_image_detections, encode_image_detections
from tests.integration.runtime.test_retention import delete_records
from tests.support.archive_site import ArchiveSite, archive_site
from tests.support.dying_archive import STEPS
from tests.support.records import rejected
from tests.support.vtp_events import source_event
from tests.support.vtp_service import wait_until


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[ArchiveSite]:
    with archive_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def committed(site: ArchiveSite) -> int:
    """Return the offset that the archive's group has committed on detections-v1."""
    reader = Consumer(
        common_config(site.site.kafka)
        | {"group.id": f"{site.site.prefix}livetrap-image-archive", "enable.auto.commit": False}
    )
    try:
        place = TopicPartition(site.site.topics.detections, 0)
        return int(reader.committed([place], timeout=60)[0].offset)
    finally:
        reader.close()


def execute(site: ArchiveSite, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(site.site.postgres_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def test_an_accepted_image_is_archived_once(site: ArchiveSite) -> None:
    sent = site.send()
    refused = site.send_image()
    site.send_record(encode_image_detections(rejected(decode_image_detections(refused.record))))
    site.send_record(b"no record")
    service = site.start()
    (row,) = site.wait_for_rows(sent)
    day = f"{row['time_start']:%Y-%m-%d}"
    assert row["name"] == f"night/{day}/140.000MHz-I/{sent.image_id}.fits"
    path = site.folder / row["name"]
    assert row["n_bytes"] == path.stat().st_size
    with fits.open(io.BytesIO(sent.data)) as original, fits.open(path) as archived:
        sigma = np.std(original[0].data)
        assert np.abs(archived[1].data - original[0].data).max() < 0.1 * sigma
        assert archived[1].header["OBJECT"] == "Cyg A"
    first = path.stat().st_mtime_ns, path.read_bytes()
    site.send_record(sent.record)
    wait_until(lambda: committed(site) == 4, what="the second delivery")
    assert (path.stat().st_mtime_ns, path.read_bytes()) == first
    assert list(site.rows().values()) == [row]
    assert site.files() == [row["name"]]
    assert service.terminate() == 0, service.log.read_text()


def test_an_image_that_kafka_has_deleted_is_booked(site: ArchiveSite) -> None:
    gone = site.send()
    there = site.send()
    delete_records(site.site.bootstrap, site.site.topics.images, 1)
    elsewhere = site.send_image()
    record = decode_image_detections(elsewhere.record)
    other = replace(record, source=replace(record.source, cluster_id="another"))
    site.send_record(encode_image_detections(other))
    site.start()
    rows = site.wait_for_rows(gone, there, elsewhere)
    assert [row["gone_reason"] for row in rows] == ["image_gone", None, "image_elsewhere"]
    assert [row["name"] is None for row in rows] == [True, False, True]
    # What could not be had is archived when it comes again.
    site.send_record(elsewhere.record)
    wait_until(lambda: site.rows()[elsewhere.image_id]["name"], what="the second chance")
    assert site.rows()[elsewhere.image_id]["gone_reason"] is None


@pytest.mark.parametrize("step", ["before the file is written", "between the file and its row"])
def test_a_kill_changes_nothing(site: ArchiveSite, step: str) -> None:
    assert step in STEPS
    sent = site.send()
    dying = site.start(dying=step)
    assert dying.process.wait(120) == -signal.SIGKILL
    assert site.rows() == {}
    site.start()
    (row,) = site.wait_for_rows(sent)
    assert site.files() == [row["name"]]
    wait_until(lambda: committed(site) == 1, what="the offset")


def test_a_file_without_a_row_is_found_when_kafka_has_deleted_the_image(
    site: ArchiveSite,
) -> None:
    sent = site.send()
    assert site.start(dying="between the file and its row").process.wait(120) == -signal.SIGKILL
    delete_records(site.site.bootstrap, site.site.topics.images, 1)
    site.start()
    (row,) = site.wait_for_rows(sent)
    assert row["gone_reason"] is None
    assert site.files() == [row["name"]]


def ready(port: int) -> int:
    """Return the status of /readyz; 0 if nothing listens yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def test_a_store_that_refuses_is_waited_for(site: ArchiveSite) -> None:
    site.folder.write_text("in the way")
    sent = site.send()
    port = choose_port(None, taken=set())
    service = site.start(LIVETRAP_METRICS__PORT=str(port))
    wait_until(lambda: service.has_logged("dependency_unavailable"), what="the outage")
    wait_until(lambda: ready(port) == 503, what="it to be unready")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
        assert answer.status == 200
    assert site.rows() == {}
    site.folder.unlink()
    site.wait_for_rows(sent)
    wait_until(lambda: ready(port) == 200, what="it to be ready")
    reasons = [str(line.get("reason")) for line in service.lines()]
    assert len([each for each in reasons if "LIVETRAP_ARCHIVE__URL" in each]) == 1


def test_the_old_are_deleted_but_those_with_an_alert(site: ArchiveSite) -> None:
    old, alerted, new = (site.send() for _ in range(3))
    first = site.start()
    site.wait_for_rows(old, alerted, new)
    first.kill()
    site.site.issue([source_event(image_id=alerted.image_id)], on_kafka=False)
    ids = f"'{old.image_id}', '{alerted.image_id}'"
    execute(
        site,
        "update archived_image set time_archived = time_archived - interval '31 days' "  # noqa: S608
        f"where image_id in ({ids})",
    )
    # It is killed when the file is gone, and its row does not know.
    dying = site.start(dying="between the deletion and its row")
    assert dying.process.wait(120) == -signal.SIGKILL
    assert len(site.files()) == 2
    site.start()
    wait_until(lambda: site.rows()[old.image_id]["time_gone"], what="the deletion")
    rows = site.rows()
    assert rows[old.image_id]["gone_reason"] == "too_old"
    assert rows[alerted.image_id]["is_kept"]
    assert rows[new.image_id]["time_gone"] is None
    assert site.files() == sorted(rows[each.image_id]["name"] for each in (alerted, new))


def test_the_oldest_go_when_there_is_no_room(site: ArchiveSite) -> None:
    sent = [site.send() for _ in range(4)]
    first = site.start()
    sizes = [row["n_bytes"] for row in site.wait_for_rows(*sent)]
    first.kill()
    # Files differ by a block of FITS or two.
    site.start(LIVETRAP_ARCHIVE__MAX_BYTES=str(sum(sizes[2:]) + min(sizes) // 2))
    wait_until(lambda: site.rows()[sent[1].image_id]["time_gone"], what="the deletion")
    later = site.send()
    site.wait_for_rows(later)
    wait_until(lambda: site.rows()[sent[2].image_id]["time_gone"], what="the next deletion")
    rows = site.rows()
    assert [rows[each.image_id]["gone_reason"] for each in sent] == ["no_room"] * 3 + [None]
    assert len(site.files()) == 2
    # What was deleted is not archived again.
    site.send_record(sent[0].record)
    wait_until(lambda: committed(site) == 6, what="the repeated record")
    assert len(site.files()) == 2


def test_an_archive_that_is_nowhere_ends_the_service(site: ArchiveSite) -> None:
    service = site.site.start("archive")
    assert service.process.wait(60) == 2
    assert "LIVETRAP_ARCHIVE__URL is not set" in service.lines()[-1]["error"]
