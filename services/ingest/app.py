"""Composition root of the ingest service: files once with a progress bar, or an inbox."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Producer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runtime.attempts import AttemptLog, state_dir
from runtime.errors import RejectedMessageError, SettingsError, TransientError
from runtime.health import Health
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import (
    MAX_MESSAGE_BYTES,
    KafkaProbe,
    OutMessage,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    is_too_large,
    produce_and_locate,
    send,
)
from runtime.logging import get_logger
from runtime.metrics import serve_metrics
from runtime.process import log_started, run_service
from runtime.retry import RetryPolicy
from runtime.settings import IngestProcessSettings, load_settings
from runtime.stop_flag import StopFlag
from schemas.reasons import ImageReason
from schemas.topics import Topics
from services.ingest.handlers.files import FileHandler, FileRules
from services.ingest.handlers.inbox import Inbox
from services.ingest.models import FoundFiles, ImageLimits, IngestCounts, OnDone
from services.ingest.steps import find_files, order_by_time

__all__ = ["ingest_paths", "main"]

_FLUSH_TIMEOUT_S = 120.0
_SCAN_S = 0.2


class _KafkaImagePublisher:
    """Sends messages with a Kafka producer."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def send(self, message: OutMessage, on_done: OnDone) -> None:
        def tell(error: KafkaError | None) -> None:
            if error is None:
                on_done(None)
            elif is_too_large(error):
                on_done(_to_rejection(message, error))
            else:
                on_done(TransientError(str(error)))

        try:
            send(self._producer, message, tell)
        except KafkaException as error:
            _refuse_if_too_large(message, error.args[0])
            raise

    def send_and_locate(self, message: OutMessage) -> tuple[int, int]:
        try:
            return produce_and_locate(self._producer, message)
        except KafkaException as error:
            _refuse_if_too_large(message, error.args[0])
            raise

    def flush(self) -> None:
        self._producer.flush(_FLUSH_TIMEOUT_S)
        if len(self._producer):
            raise TransientError(
                f"Kafka did not accept {len(self._producer)} image(s) in {_FLUSH_TIMEOUT_S:.0f} s"
            )


def _refuse_if_too_large(message: OutMessage, error: KafkaError) -> None:
    if is_too_large(error):
        raise _to_rejection(message, error)


def _to_rejection(message: OutMessage, error: KafkaError) -> RejectedMessageError:
    return RejectedMessageError(
        ImageReason.TOO_LARGE,
        f"{len(message.value)} bytes, and headers: Kafka takes messages of at most "
        f"{MAX_MESSAGE_BYTES} bytes of us, on topic {message.topic} as many as its "
        f"max.message.bytes ({error.str()})",
    )


def ingest_paths(
    paths: list[Path],
    *,
    stream: str | None,
    rate_hz: float | None,
    cards: dict[str, str],
    bootstrap_servers: str | None,
) -> int:
    """Publish FITS files in time order; bad ones are rejected with their reasons.

    Parameters
    ----------
    paths : list of Path
        Files, directories or patterns.
    stream : str or None
        Stream of all of them; None: each file's TELESCOP card.
    rate_hz : float or None
        Images a second; None: as fast as Kafka accepts them [Hz].
    cards : dict of str to str
        FITS cards to add to every image.
    bootstrap_servers : str or None
        Kafka, where it is not the configured one.

    Returns
    -------
    int
        0: every file is published; 1: some were rejected, each with its reason.

    Raises
    ------
    TransientError
        If Kafka is away or did not accept an image.
    NoFilesError
        If there is nothing to ingest.
    """
    overrides = {"kafka": {"bootstrap_servers": bootstrap_servers}} if bootstrap_servers else {}
    settings = load_settings(IngestProcessSettings, **overrides)
    found = find_files(paths)
    files = order_by_time(found.images, cards)
    ensure_topics(settings.kafka)
    handler = _build(settings, stream or settings.ingest.stream, cards, is_service=False)
    with _progress(len(files)) as advance:
        next_s = time.monotonic()
        for path in files:
            if rate_hz:
                time.sleep(max(0.0, next_s - time.monotonic()))
                next_s = max(next_s + 1 / rate_hz, time.monotonic() - 1 / rate_hz)
            handler.publish(path)
            advance()
        handler.finish()
    _print_summary(handler.counts, found)
    return 1 if handler.counts.rejected else 0


def main() -> None:
    """Watch the inbox until SIGTERM."""
    run_service("ingest", IngestProcessSettings, _watch)


def _watch(settings: IngestProcessSettings, stop: StopFlag) -> None:
    folder = settings.ingest.inbox
    if folder is None or not folder.is_dir():
        raise SettingsError(
            f"the ingest service watches a folder, and LIVETRAP_INGEST__INBOX is {folder}; "
            "set it to one that exists, or publish files once with `livetrap ingest`"
        )
    health = Health(
        stop, stall_s=settings.metrics.stall_s, probes=[KafkaProbe(settings.kafka).check]
    )
    serve_metrics(settings.metrics, health)
    retry = RetryPolicy(stop)
    retry.retry_until_success(lambda: ensure_topics(settings.kafka))
    handler = retry.retry_until_success(
        lambda: _build(settings, settings.ingest.stream, {}, is_service=True)
    )
    log_started(settings, inbox=str(folder))
    health.mark_started()
    inbox = Inbox(folder)
    while not stop.is_set():
        for files in inbox.take_turns(stop.is_set):
            retry.retry_until_success(partial(inbox.publish, files, handler))
        stop.wait(_SCAN_S)


def _build(
    settings: IngestProcessSettings,
    stream: str | None,
    cards: dict[str, str],
    *,
    is_service: bool,
) -> FileHandler:
    publisher = _KafkaImagePublisher(create_producer(settings.kafka))
    limits = ImageLimits(
        settings.ingest.max_image_bytes,
        settings.ingest.max_future_s,
        splits_cubes=settings.ingest.cubes == "split",
    )
    attempts = AttemptLog(state_dir(), group=f"{settings.kafka.topic_prefix}livetrap-ingest")
    file_limits = MessageLimits(timeout_s=settings.ingest.timeout_s)
    rules = FileRules(stream, cards, limits, fetch_cluster_id(settings.kafka))
    return FileHandler(
        publisher,
        Topics(settings.kafka.topic_prefix),
        rules,
        on_rejected=_log if is_service else _print,
        on_passed_over=_log_passed_over if is_service else _print_passed_over,
        in_flight=InFlight(attempts, file_limits) if is_service else None,
    )


def _print(path: Path, error: RejectedMessageError) -> None:
    _print_warning(f"rejected {path}: {error.reason_code}: {error}")


def _print_passed_over(path: Path, names: Sequence[str]) -> None:
    _print_warning(f"{path}: passed over: {', '.join(names)}")


def _print_warning(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, style="yellow", markup=False, soft_wrap=True)


def _print_summary(counts: IngestCounts, found: FoundFiles) -> None:
    """Print how many files were published, rejected and skipped, and why."""
    console = Console(stderr=True, highlight=False)
    console.print(
        f"{counts.published} published ({counts.n_bytes / 1e6:.1f} MB), {counts.rejected} rejected"
    )
    for reason, n_files in counts.reasons.most_common():
        console.print(f"  {n_files} {reason}", style="yellow")
    if found.skipped:
        names = ", ".join(path.name for path in found.skipped[:5])
        more = ", ..." if len(found.skipped) > 5 else ""
        console.print(f"{len(found.skipped)} skipped, not FITS: {names}{more}", markup=False)


def _log(path: Path, error: RejectedMessageError) -> None:
    get_logger().warning(
        "file_rejected", file=str(path), reason=error.reason_code, error=str(error)
    )


def _log_passed_over(path: Path, names: Sequence[str]) -> None:
    get_logger().warning("file_images_passed_over", file=str(path), names=list(names))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on a terminal; yield a function that advances it by one."""
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
