"""Composition root of the archive service."""

import asyncio

from runtime.errors import SettingsError
from runtime.image_store import ImageStore
from runtime.postgres import DatabaseProbe, create_pool
from runtime.process import MessageHandler, run_service
from runtime.settings import ArchiveProcessSettings
from runtime.stop_flag import StopFlag
from runtime.worker import Worker
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
    worker = Worker(
        settings,
        stop,
        group=_GROUP,
        probes=[DatabaseProbe(settings.postgres).check, store.find_failure],
    )
    with asyncio.Runner() as runner:
        _archive(settings, worker, store, runner)


def _archive(
    settings: ArchiveProcessSettings,
    worker: Worker,
    store: ImageStore,
    runner: asyncio.Runner,
) -> None:
    pool = worker.retry.retry_until_success(
        lambda: runner.run(create_pool(settings.postgres, service="archive"))
    )
    rows = ArchivedImages(pool, runner)
    paused = worker.attempts.paused
    archiver = Archiver(
        store,
        rows,
        worker.fetch,
        images=(worker.cluster_id, worker.topics.images),
        wait=paused,
        max_bytes=settings.ingest.max_image_bytes,
    )
    retention = ArchiveRetention(
        store,
        rows,
        keep_days=settings.archive.keep_days,
        max_bytes=settings.archive.max_bytes,
        every_s=settings.archive.retention_every_s,
    )
    handler = RecordHandler(archiver, rows, retention, paused)
    worker.run(
        {worker.topics.detections: MessageHandler(handler.on_record, handler.on_rejected)},
        timeout_s=settings.archive.timeout_s,
        when_idle=retention.delete_if_due,
    )
    pool.terminate()
