"""Composition root of the extract service."""

from runtime.attempts import state_dir
from runtime.memory import reuse_large_blocks
from runtime.process import MessageHandler, run_service
from runtime.settings import ExtractProcessSettings
from runtime.stop_flag import StopFlag
from runtime.worker import Worker
from services.extract.handlers.forced import ForcedHandler
from services.extract.handlers.images import ImageHandler
from services.extract.handlers.stamps import StampHandler
from services.extract.steps.forced_requests import ForcedPhotometry
from services.extract.steps.images_again import ImagesAgain
from services.extract.steps.measurement import ImageMeasurer
from services.extract.steps.stamps import StampCutter

__all__ = ["main"]

_GROUP = "livetrap-extract"


def main() -> None:
    """Run until SIGTERM."""
    reuse_large_blocks()
    run_service("extract", ExtractProcessSettings, _run)


def _run(settings: ExtractProcessSettings, stop: StopFlag) -> None:
    worker = Worker(settings, stop, group=_GROUP)
    topics, cluster_id = worker.topics, worker.cluster_id
    measurer = ImageMeasurer(settings.extract, settings.ingest, disk=state_dir())
    images = ImageHandler(
        measurer, topics, cluster_id, splits_cubes=settings.ingest.cubes == "split"
    )
    photometry = ForcedPhotometry(measurer, worker.fetch, topics.images, cluster_id)
    forced = ForcedHandler(photometry, topics)
    cutter = StampCutter(
        measurer,
        ImagesAgain(worker.fetch, topics.images, cluster_id),
        side_px=settings.extract.stamp_px,
    )
    stamps = StampHandler(cutter, topics)
    # A request has the key of its image: it comes to the worker that has the pixels in memory.
    worker.run(
        {
            topics.images: MessageHandler(images.on_image, images.on_rejected, measurer.reset),
            # New images first: a request whose image must be read again takes as long as one.
            topics.forced_requests: MessageHandler(
                forced.on_request, forced.on_rejected, measurer.reset, is_deferred=True
            ),
            # Pictures after numbers.
            topics.stamp_requests: MessageHandler(
                stamps.on_request, stamps.on_rejected, stamps.reset, is_deferred=True
            ),
        },
        timeout_s=settings.extract.timeout_s,
    )
