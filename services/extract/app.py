"""Composition root of the extract service."""

from functools import partial

from runtime.attempts import AttemptLog, state_dir
from runtime.health import Health
from runtime.in_flight import MessageLimits
from runtime.kafka import (
    InMessage,
    KafkaProbe,
    MessageFetcher,
    create_consumer,
    create_producer,
    fetch_cluster_id,
)
from runtime.metrics import serve_metrics
from runtime.process import MessageHandler, run_service, run_transform
from runtime.retry import RetryPolicy
from runtime.settings import ExtractProcessSettings
from runtime.stop_flag import StopFlag
from schemas.topics import Topics
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
    run_service("extract", ExtractProcessSettings, _run)


def _run(settings: ExtractProcessSettings, stop: StopFlag) -> None:
    health = Health(
        stop, stall_s=settings.metrics.stall_s, probes=[KafkaProbe(settings.kafka).check]
    )
    serve_metrics(settings.metrics, health)
    retry = RetryPolicy(stop)
    cluster_id = retry.retry_until_success(partial(fetch_cluster_id, settings.kafka))
    topics = Topics(settings.kafka.topic_prefix)
    measurer = ImageMeasurer(settings.extract, settings.ingest, disk=state_dir())
    images = ImageHandler(
        measurer, topics, cluster_id, splits_cubes=settings.ingest.cubes == "split"
    )
    fetcher = MessageFetcher(settings.kafka, group="livetrap-extract-again")
    attempts = AttemptLog(state_dir(), group=settings.kafka.topic_prefix + _GROUP)

    def fetch(topic: str, partition: int, offset: int) -> InMessage | None:
        with attempts.paused():
            return fetcher.fetch(topic, partition, offset)

    photometry = ForcedPhotometry(measurer, fetch, topics.images, cluster_id)
    forced = ForcedHandler(photometry, topics)
    cutter = StampCutter(
        measurer,
        ImagesAgain(fetch, topics.images, cluster_id),
        side_px=settings.extract.stamp_px,
    )
    stamps = StampHandler(cutter, topics)
    # A request has the key of its image: it comes to the worker that has the pixels in memory.
    run_transform(
        consumer=create_consumer(settings.kafka, group=_GROUP),
        producer=create_producer(settings.kafka),
        handlers={
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
        stop=stop,
        settings=settings,
        health=health,
        attempts=attempts,
        limits=MessageLimits(timeout_s=settings.extract.timeout_s),
    )
    fetcher.close()
