"""Composition root of the archive service."""

import asyncio
from functools import partial

from runtime.attempts import AttemptLog, state_dir
from runtime.errors import SettingsError
from runtime.health import Health
from runtime.image_store import ImageStore
from runtime.in_flight import MessageLimits
from runtime.kafka import (
    KafkaProbe,
    MessageFetcher,
    create_consumer,
    create_producer,
    fetch_cluster_id,
)
from runtime.metrics import serve_metrics
from runtime.postgres import DatabaseProbe, create_pool
from runtime.process import MessageHandler, run_service, run_transform
from runtime.retry import RetryPolicy
from runtime.settings import ArchiveProcessSettings
from runtime.stop_flag import StopFlag
from schemas.topics import Topics
from services.archive.handlers import RecordHandler
from services.archive.steps.archiving import Archiver
from services.archive.steps.retention import ArchiveRetention
from services.archive.storage import ArchivedImages

__all__ = ["main"]

# `livetrap streams archive` has the group livetrap-archive.
_GROUP = "livetrap-image-archive"


def main() -> None:
    """Run until SIGTERM."""
    run_service("archive", ArchiveProcessSettings, _run)


def _run(settings: ArchiveProcessSettings, stop: StopFlag) -> None:
    if settings.archive.url is None:
        raise SettingsError("LIVETRAP_ARCHIVE__URL is not set: there is nothing to archive to")
    store = ImageStore(settings.archive)
    health = Health(
        stop,
        stall_s=settings.metrics.stall_s,
        probes=[
            KafkaProbe(settings.kafka).check,
            DatabaseProbe(settings.postgres).check,
            store.find_failure,
        ],
    )
    serve_metrics(settings.metrics, health)
    with asyncio.Runner() as runner:
        _archive(settings, stop, store=store, health=health, runner=runner)


def _archive(
    settings: ArchiveProcessSettings,
    stop: StopFlag,
    *,
    store: ImageStore,
    health: Health,
    runner: asyncio.Runner,
) -> None:
    retry = RetryPolicy(stop)
    cluster_id = retry.retry_until_success(partial(fetch_cluster_id, settings.kafka))
    pool = retry.retry_until_success(
        lambda: runner.run(create_pool(settings.postgres, service="archive"))
    )
    rows = ArchivedImages(pool, runner)
    topics = Topics(settings.kafka.topic_prefix)
    attempts = AttemptLog(state_dir(), group=settings.kafka.topic_prefix + _GROUP)
    fetcher = MessageFetcher(settings.kafka, group="livetrap-image-archive-again")
    archiver = Archiver(
        store,
        rows,
        fetcher.fetch,
        images=(cluster_id, topics.images),
        wait=attempts.paused,
        max_bytes=settings.ingest.max_image_bytes,
    )
    retention = ArchiveRetention(
        store,
        rows,
        keep_days=settings.archive.keep_days,
        max_bytes=settings.archive.max_bytes,
        every_s=settings.archive.retention_every_s,
    )
    handler = RecordHandler(archiver, rows, retention, attempts.paused)
    run_transform(
        consumer=create_consumer(settings.kafka, group=_GROUP),
        producer=create_producer(settings.kafka),
        handlers={topics.detections: MessageHandler(handler.on_record, handler.on_rejected)},
        stop=stop,
        settings=settings,
        health=health,
        attempts=attempts,
        limits=MessageLimits(timeout_s=settings.archive.timeout_s),
        when_idle=retention.delete_if_due,
    )
    fetcher.close()
    pool.terminate()
