"""What the edge counts."""

from prometheus_client import Counter

__all__ = ["BYTES", "IMAGES"]

IMAGES = Counter("livetrap_ingest_images_total", "Images by outcome", ["outcome"])
BYTES = Counter("livetrap_ingest_bytes_total", "Bytes published to Kafka")
