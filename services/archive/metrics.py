"""Metrics of the archive service."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["ARCHIVING", "DELETED", "IMAGES", "STORED_BYTES", "WRITTEN_BYTES"]

IMAGES = Counter(
    "livetrap_archive_images_total",
    "Accepted images and unreadable records, by outcome: archived, known, or why there is no file",
    ["outcome"],
)
WRITTEN_BYTES = Counter("livetrap_archive_written_bytes_total", "Bytes of the files written")
STORED_BYTES = Gauge(
    "livetrap_archive_stored_bytes", "Bytes of all files of the archive, as of the last look"
)
DELETED = Counter(
    "livetrap_archive_deleted_images_total",
    "Files deleted, by reason: too_old or no_room",
    ["reason"],
)
ARCHIVING = Histogram(
    "livetrap_archive_processing_seconds",
    "Time from the record of an accepted image to its row, Kafka and the store included",
    buckets=(0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
)
