"""Images on Kafka with their records, as the extractor leaves them, for the archive service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg

from runtime.kafka import OutMessage, create_producer, fetch_cluster_id, produce_and_locate
from schemas.codec import encode_image_detections
from schemas.identity import digest_image
from schemas.messages import SourceOffset
from sky.fits import parse_fits
from sky.header.celestial import to_wcs_header
from tests.support.fits_images import make
from tests.support.records import image
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

__all__ = ["CARDS", "ArchiveSite", "SentImage", "archive_site"]

CARDS = {"OBJECT": "Cyg A"}
STREAM = "night"


@dataclass(frozen=True)
class SentImage:
    """An image that was sent: its bytes, its record's bytes, and what its row says."""

    data: bytes
    record: bytes
    row: dict[str, Any]

    @property
    def image_id(self) -> str:
        return str(self.row["image_id"])


@dataclass
class ArchiveSite:
    """A site with an archive in a folder."""

    site: AlertSite
    folder: Path
    n_sent: int = field(default=0)

    def start(self, *, dying: str = "", **settings: str) -> ServiceProcess:
        own = {"LIVETRAP_ARCHIVE__URL": str(self.folder)}
        own["LIVETRAP_ARCHIVE__RETENTION_EVERY_S"] = "0.1"
        return self.site.start("archive", dying=dying, **own | settings)

    def send_image(self, **cards: str) -> SentImage:
        """Put another image on images-v1; its record is not sent yet."""
        self.n_sent += 1
        data = make(IMAGENR=self.n_sent, **cards)
        topics = self.site.topics
        partition, offset = produce_and_locate(
            create_producer(self.site.kafka),
            OutMessage(topics.images, f"{STREAM}:1", data, {"fits:OBJECT": CARDS["OBJECT"]}),
        )
        source = SourceOffset(fetch_cluster_id(self.site.kafka), topics.images, partition, offset)
        image_id = digest_image(data, CARDS).image_id
        record = replace(image(self.n_sent, stream=STREAM), image_id=image_id, source=source)
        row = {
            "image_id": image_id,
            "wcs_header": to_wcs_header(parse_fits(data, CARDS).header),
            "kafka_cluster_id": source.cluster_id,
            "kafka_topic": source.topic,
            "kafka_partition": partition,
            "kafka_offset": offset,
        }
        return SentImage(data, encode_image_detections(record), row)

    def send(self, **cards: str) -> SentImage:
        """Send an image and its record."""
        sent = self.send_image(**cards)
        self.send_record(sent.record)
        return sent

    def send_record(self, record: bytes) -> None:
        self.site.send_raw(self.site.topics.detections, record, key=STREAM.encode())

    def rows(self) -> dict[str, asyncpg.Record]:
        """Return the rows of table `archived_image` by image."""
        found = self.site.fetch("select * from archived_image")
        return {row["image_id"]: row for row in found}

    def wait_for_rows(self, *sent: SentImage) -> list[asyncpg.Record]:
        """Return the rows of images, when all are there."""
        wanted = [each.image_id for each in sent]
        wait_until(lambda: set(wanted) <= self.rows().keys(), what="rows of the archive")
        rows = self.rows()
        return [rows[each] for each in wanted]

    def wait_until_gone(self, sent: SentImage) -> asyncpg.Record:
        """Return the row of an image, when its file is gone."""
        wait_until(lambda: self.rows()[sent.image_id]["time_gone"], what="the deletion")
        return self.rows()[sent.image_id]

    def files(self) -> list[str]:
        """Return the names of all files of the archive."""
        found = (each for each in self.folder.rglob("*") if each.is_file())
        return sorted(str(each.relative_to(self.folder)) for each in found)


@contextmanager
def archive_site(kafka_bootstrap: str, postgres_url: str, folder: Path) -> Iterator[ArchiveSite]:
    """Make topics of one partition, a database, and a place for an archive."""
    with alert_site(kafka_bootstrap, postgres_url, folder, partitions=1) as site:
        yield ArchiveSite(site, folder / "archive")
