"""Publish FITS files; a bad one becomes a dead letter and a rejection record."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError, TransientError
from runtime.in_flight import InFlight
from runtime.kafka import InMessage, OutMessage
from runtime.retry import call_twice
from schemas.codec import encode_image_detections
from schemas.identity import digest_image
from schemas.messages import ImageDetections, SourceOffset, StageTimes
from schemas.reasons import ImageReason
from schemas.streams import DEFAULT_STREAM, to_stream_name
from schemas.topics import Topics
from services.ingest import metrics
from services.ingest.models import (
    FileBytes,
    ImageLimits,
    ImagePublisher,
    IngestCounts,
    PreparedImage,
)
from services.ingest.steps import check_size, most_bytes, prepare_image

__all__ = ["FileHandler", "FileRules"]

# The dead letter of an image beyond the size limit has only this much: its header.
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileRules:
    """Settings of a run.

    Parameters
    ----------
    stream : str or None
        Stream of all of them; None: each file's TELESCOP card.
    cards : mapping of str to str
        FITS cards to add to every image.
    limits : ImageLimits
        What every image must satisfy.
    cluster_id : str
        Kafka cluster that they go to.
    """

    stream: str | None
    cards: Mapping[str, str]
    limits: ImageLimits
    cluster_id: str


class FileHandler:
    """Publish files.

    Parameters
    ----------
    publisher : ImagePublisher
        Sends to Kafka.
    topics : Topics
        Where images, records and dead letters go.
    rules : FileRules
        Settings of the run.
    on_rejected : callable
        Called for each rejected file, with the error.
    on_passed_over : callable
        Called for each file with images that are not measured, with their names.
    in_flight : InFlight or None
        Counts the processes that ended at a file; None: a command, which is not started again.
    """

    def __init__(
        self,
        publisher: ImagePublisher,
        topics: Topics,
        rules: FileRules,
        *,
        on_rejected: Callable[[Path, RejectedMessageError], None],
        on_passed_over: Callable[[Path, Sequence[str]], None],
        in_flight: InFlight | None = None,
    ) -> None:
        self._publisher = publisher
        self._topics = topics
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="ingest")
        self._rules = rules
        self._on_rejected = on_rejected
        self._on_passed_over = on_passed_over
        self._in_flight = in_flight
        self._failures: list[str] = []
        # Sent, and then refused by the broker, which takes or refuses what comes in one request.
        self._refused: set[Path] = set()
        self.counts = IngestCounts()

    def publish(self, path: Path) -> bool:
        """Send one file, or its dead letter and rejection record.

        Returns
        -------
        bool
            False if the file was rejected; the broker may refuse it later (`finish`).

        Raises
        ------
        TransientError
            If Kafka did not accept this one or an earlier one.
        """
        is_sent = self._publish(path, self._queue)
        self._check()
        return is_sent

    def _publish(self, path: Path, send: Callable[[Path, PreparedImage], None]) -> bool:
        """Send a file; return whether it was not rejected."""
        file = FileBytes()
        try:
            file, place = _read(path, most_bytes(self._rules.limits))
            check_size(file.size, self._rules.limits)
            image = self._prepare(path, file.data, place)
            # It may wait for Kafka, which says nothing about the file: no process is counted.
            call_twice(partial(send, path, image), subject="file", file=str(path))
        except RejectedMessageError as error:
            self._reject(path, file, error)
            return False
        return True

    def _queue(self, path: Path, image: PreparedImage) -> None:
        if image.passed_over:
            self._on_passed_over(path, image.passed_over)
        n_bytes = len(image.message.value)
        self._publisher.send(image.message, lambda error: self._on_done(path, n_bytes, error))

    def _send_alone(self, path: Path, image: PreparedImage) -> None:
        self._publisher.send_and_locate(image.message)
        self._on_done(path, len(image.message.value), None)

    def _prepare(self, path: Path, data: bytes, place: InMessage) -> PreparedImage:
        """Check a file; one at which three processes have ended is rejected."""
        prepare = partial(
            call_twice, partial(self._prepare_once, data), subject="file", file=str(path)
        )
        if self._in_flight is None:
            return prepare()
        self._in_flight.check(place)
        with self._in_flight.work_at(place):
            return prepare()

    def _prepare_once(self, data: bytes) -> PreparedImage:
        return prepare_image(
            data,
            stream=self._rules.stream,
            cards=self._rules.cards,
            limits=self._rules.limits,
            topics=self._topics,
        )

    def finish(self) -> frozenset[Path]:
        """Return when the broker has acknowledged everything, or refused it alone, too.

        Returns
        -------
        frozenset of Path
            Files that it has refused; they are rejected.

        Raises
        ------
        TransientError
            If it does not accept something.
        """
        self._publisher.flush()
        refused, self._refused = self._refused, set()
        self._check()
        return frozenset(
            path for path in sorted(refused) if not self._publish(path, self._send_alone)
        )

    def _on_done(
        self, path: Path, n_bytes: int, error: TransientError | RejectedMessageError | None
    ) -> None:
        if isinstance(error, RejectedMessageError):
            self._refused.add(path)
            return
        if error is not None:
            self._failures.append(f"{path}: {error}")
            return
        self.counts.published += 1
        self.counts.n_bytes += n_bytes
        metrics.IMAGES.labels("published").inc()
        metrics.BYTES.inc(n_bytes)

    def _check(self) -> None:
        if self._failures:
            failure, self._failures = self._failures[0], []
            raise TransientError(
                f"Kafka did not accept {failure}; earlier files are published, "
                "and ingesting all of them again makes no duplicates"
            )

    def _reject(self, path: Path, file: FileBytes, error: RejectedMessageError) -> None:
        """Send the dead letter, then the rejection record for the image ledger."""
        self._on_rejected(path, error)
        stream = to_stream_name(self._rules.stream or "") or DEFAULT_STREAM
        letter = self._to_dead_letter(path, file, stream, error)
        partition, offset = self._send_letter(letter, file)
        record = ImageDetections(
            image_id=digest_image(file.data, self._rules.cards).image_id,
            stream=stream,
            source=SourceOffset(self._rules.cluster_id, letter.topic, partition, offset),
            verdict="rejected",
            reasons=(error.reason_code,),
            reason_text=f"{path.name}: {error}",
            times=StageTimes(time_sent=datetime.now(UTC)),
        )
        value = encode_image_detections(record)
        self._publisher.send_and_locate(
            OutMessage(self._topics.detections, stream.encode(), value)
        )
        self.counts.rejected += 1
        self.counts.reasons[error.reason_code] += 1
        metrics.IMAGES.labels("rejected").inc()

    def _send_letter(self, letter: OutMessage, file: FileBytes) -> tuple[int, int]:
        """Send a dead letter, without bytes if its topic takes none of this size."""
        try:
            return self._publisher.send_and_locate(letter)
        except RejectedMessageError:
            headers = {**letter.headers, "truncated-from": str(file.size)}
            return self._publisher.send_and_locate(replace(letter, value=b"", headers=headers))

    def _to_dead_letter(
        self, path: Path, file: FileBytes, stream: str, error: RejectedMessageError
    ) -> OutMessage:
        is_too_large = error.reason_code == ImageReason.TOO_LARGE
        head = file.data[:_HEAD_BYTES] if is_too_large else file.data
        # The file was never on Kafka; a redrive sends it to the topic of images.
        cards = {f"fits:{name}": text for name, text in self._rules.cards.items()}
        source = InMessage(
            topic=self._topics.images,
            partition=-1,
            offset=-1,
            key=f"{stream}:".encode(),
            value=head,
            headers={"stream": stream, **cards},
        )
        letter = self._dead_letters.build(source, error)
        headers = {**letter.headers, "file": path.name}
        if file.size > len(head):
            headers["truncated-from"] = str(file.size)
        return replace(letter, headers=headers)


def _read(path: Path, most: int) -> tuple[FileBytes, InMessage]:
    """Return a file up to one byte more than `most`, and what counts processes at it."""
    try:
        with path.open("rb") as file:
            data, status = file.read(most + 1), os.fstat(file.fileno())
            size = max(status.st_size, len(data))
            return FileBytes(data, size), _place_of(path, status)
    except OSError as error:
        raise RejectedMessageError(ImageReason.UNREADABLE, str(error)) from error


def _place_of(path: Path, status: os.stat_result) -> InMessage:
    """Return what stands for a file, which was never on Kafka: one that is written anew is new."""
    text = f"{path.name}/{status.st_size}/{status.st_mtime_ns}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return InMessage("inbox", 0, int.from_bytes(digest[:7]), b"", b"")
