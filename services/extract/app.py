"""Composition root of the extract service."""

from functools import partial

from runtime.kafka import create_consumer, create_producer, fetch_cluster_id
from runtime.metrics import serve_metrics
from runtime.process import StopFlag, retry, run_service, run_transform
from runtime.settings import Settings
from schemas.topics import Topics
from services.extract.handlers import ImageHandler

__all__ = ["main"]


def main() -> None:
    """Run until SIGTERM."""
    run_service("extract", _run)


def _run(settings: Settings, stop: StopFlag) -> None:
    serve_metrics(settings.metrics)
    cluster_id = retry(partial(fetch_cluster_id, settings.kafka), stop)
    if cluster_id is None:
        return
    topics = Topics(settings.kafka.topic_prefix)
    handler = ImageHandler(settings, topics, cluster_id)
    run_transform(
        consumer=create_consumer(settings.kafka, group="livetrap-extract"),
        producer=create_producer(settings.kafka),
        topic=topics.images,
        handle=handler.on_image,
        on_rejected=handler.on_rejected,
        stop=stop,
        settings=settings,
    )
