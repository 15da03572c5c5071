"""Metrics of the ingest service."""

from prometheus_client import Counter

__all__ = ["BYTES", "IMAGES"]

IMAGES = Counter(
    "livetrap_ingest_images_total", "Files, by outcome: published or rejected", ["outcome"]
)
BYTES = Counter("livetrap_ingest_bytes_total", "Bytes of the published files")
