"""Metrics of the associator."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "EVENTS",
    "FORCED",
    "GIVEN_UP",
    "IMAGES",
    "LOOK_BACKS",
    "NEWEST_IMAGE",
    "OPEN_IMAGES",
    "SPECTRAL_CONFLICTS",
    "STAMPS",
    "TIMESTEPS",
    "TRANSACTION",
]

IMAGES = Counter(
    "livetrap_associate_images_total",
    "Images by outcome: processed, late, duplicate, rejected; and dead_lettered records",
    ["outcome"],
)
TIMESTEPS = Counter("livetrap_associate_timesteps_total", "Timesteps committed")
EVENTS = Counter(
    "livetrap_associate_events_total",
    "Messages of the outbox relayed to Kafka: events, requests for forced photometry and stamps",
)
FORCED = Counter("livetrap_associate_forced_total", "Forced measurements by outcome", ["outcome"])
LOOK_BACKS = Counter(
    "livetrap_associate_look_backs_total",
    "First detections by what earlier images show: a verdict, or overdue before it",
    ["outcome"],
)
SPECTRAL_CONFLICTS = Counter(
    "livetrap_associate_spectral_conflicts_total",
    "Transients retracted because forced photometry contradicts them",
)
STAMPS = Counter(
    "livetrap_associate_stamps_total",
    "Stamps that came, by outcome: stored or why there is none",
    ["outcome"],
)
GIVEN_UP = Counter(
    "livetrap_associate_forced_given_up_total",
    "Sources judged, or not awaited any longer, without answers of forced photometry",
)
NEWEST_IMAGE = Gauge(
    "livetrap_associate_newest_image_timestamp_seconds",
    "When the newest image of a stream was stored, whatever became of it (Unix time)",
    ["stream"],
)
OPEN_IMAGES = Gauge("livetrap_associate_open_images", "Images waiting for their timestep to close")
TRANSACTION = Histogram(
    "livetrap_associate_transaction_seconds",
    "One timestep, begin to commit",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
