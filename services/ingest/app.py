"""Composition root of the file ingest: paths in, images on Kafka, a progress bar beside it."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka import (
    InMessage,
    OutMessage,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    produce_and_wait,
    send,
)
from runtime.process import dead_letter
from runtime.settings import Settings, load_settings
from schemas.codec import encode_image_detections
from schemas.identity import image_id
from schemas.messages import ImageDetections, SourceOffset, StageTimes
from schemas.topics import Topics
from services.ingest import metrics
from services.ingest.models import IngestCounts
from services.ingest.steps import find_files, order_by_time, prepare_image, to_stream_name

__all__ = ["ingest_paths"]

# Of an image beyond the size limit this much goes into the dead letter: its header.
_HEAD_BYTES = 1 << 20


def ingest_paths(
    paths: list[Path],
    *,
    stream: str | None,
    rate_hz: float | None,
    cards: dict[str, str],
    bootstrap_servers: str | None,
) -> int:
    """Publish FITS files in time order and book the bad ones.

    Parameters
    ----------
    paths : list of Path
        Files, directories or patterns.
    stream : str or None
        Stream of all of them; None: each file's TELESCOP card.
    rate_hz : float or None
        Images a second; None: as fast as Kafka takes them [Hz].
    cards : dict of str to str
        FITS cards to add to every image.
    bootstrap_servers : str or None
        Kafka, where it is not the configured one.

    Returns
    -------
    int
        0: every file is on Kafka or booked as rejected.

    Raises
    ------
    TransientError
        If Kafka is away or did not take an image.
    NoFilesError
        If there is nothing to ingest.
    """
    overrides = {"kafka": {"bootstrap_servers": bootstrap_servers}} if bootstrap_servers else {}
    settings = load_settings(**overrides)
    files = order_by_time(find_files(paths), cards)
    ensure_topics(settings.kafka)
    ingest = _FileIngest(settings, stream or settings.ingest.stream, cards)
    with _progress(len(files)) as advance:
        next_s = time.monotonic()
        for path in files:
            if rate_hz:
                time.sleep(max(0.0, next_s - time.monotonic()))
                next_s = max(next_s + 1 / rate_hz, time.monotonic() - 1 / rate_hz)
            ingest.publish(path)
            advance()
        ingest.finish()
    counts = ingest.counts
    Console(stderr=True, highlight=False).print(
        f"{counts.published} published ({counts.n_bytes / 1e6:.1f} MB), {counts.rejected} rejected"
    )
    return 0


class _FileIngest:
    def __init__(self, settings: Settings, stream: str | None, cards: Mapping[str, str]) -> None:
        self._producer: Producer = create_producer(settings.kafka)
        self._topics = Topics(settings.kafka.topic_prefix)
        self._cluster_id = fetch_cluster_id(settings.kafka)
        self._max_bytes = settings.ingest.max_image_bytes
        self._stream = stream
        self._cards = cards
        self._failures: list[str] = []
        self.counts = IngestCounts()

    def publish(self, path: Path) -> None:
        """Send one file, or book why not."""
        try:
            data = path.read_bytes()
        except OSError as error:
            self._refuse(path, b"", RejectedMessageError("unreadable", f"{error}"))
            return
        try:
            image = prepare_image(
                data,
                stream=self._stream,
                cards=self._cards,
                max_bytes=self._max_bytes,
                topics=self._topics,
            )
        except RejectedMessageError as error:
            self._refuse(path, data, error)
            return
        send(self._producer, image.message, lambda error: self._on_done(path, len(data), error))
        self._check()

    def finish(self) -> None:
        """Return when the broker has everything."""
        self._producer.flush(120)
        self._check()
        if len(self._producer):
            raise TransientError(f"Kafka did not take {len(self._producer)} image(s) in 120 s")

    def _on_done(self, path: Path, n_bytes: int, error: KafkaError | None) -> None:
        if error is not None:
            self._failures.append(f"{path}: {error}")
            return
        self.counts.published += 1
        self.counts.n_bytes += n_bytes
        metrics.IMAGES.labels("published").inc()
        metrics.BYTES.inc(n_bytes)

    def _check(self) -> None:
        if self._failures:
            raise TransientError(
                f"Kafka did not take {self._failures[0]}; what came before it is safe, "
                "and ingesting all again makes no duplicates"
            )

    def _refuse(self, path: Path, data: bytes, error: RejectedMessageError) -> None:
        """Write the dead letter, then the record that books it in the ledger."""
        Console(stderr=True, highlight=False).print(
            f"rejected {path}: {error.reason_code}: {error}",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
        stream = to_stream_name(self._stream or "default")
        source = InMessage(
            topic="", partition=-1, offset=-1, key=f"{stream}:".encode(), value=data[:_HEAD_BYTES]
        )
        letter = dead_letter(source, error, topic=self._topics.dead_letters, service="ingest")
        letter.headers["file"] = path.name
        if len(data) > _HEAD_BYTES:
            letter.headers["truncated-from"] = str(len(data))
        partition, offset = self._send_and_locate(letter)
        record = ImageDetections(
            image_id=image_id(data, self._cards),
            stream=stream,
            source=SourceOffset(self._cluster_id, letter.topic, partition, offset),
            verdict="rejected",
            reasons=(error.reason_code,),
            reason_text=f"{path.name}: {error}",
            times=StageTimes(time_sent=datetime.now(UTC)),
        )
        produce_and_wait(
            self._producer,
            [
                OutMessage(
                    self._topics.detections, stream.encode(), encode_image_detections(record)
                )
            ],
        )
        self.counts.rejected += 1
        metrics.IMAGES.labels("rejected").inc()

    def _send_and_locate(self, letter: OutMessage) -> tuple[int, int]:
        """Send the letter and return the partition and offset that Kafka gave it."""
        place: list[tuple[int, int]] = []

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                place.append((int(message.partition() or 0), int(message.offset() or 0)))

        self._producer.produce(
            letter.topic,
            key=letter.key,
            value=letter.value,
            headers=[(name, text.encode()) for name, text in letter.headers.items()],
            on_delivery=on_delivery,
        )
        self._producer.flush(120)
        if not place:
            raise TransientError("Kafka did not take a dead letter within 120 s")
        return place[0]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal, nothing elsewhere; yields what moves it on by one."""
    with Progress(
        TextColumn("ingesting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        disable=not sys.stderr.isatty(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task("ingesting", total=total)
        yield lambda: progress.advance(task)
