"""Metrics of the extract service."""

from prometheus_client import Counter, Histogram

__all__ = ["FORCED", "IMAGES", "NEGATIVE_PEAKS", "PROCESSING", "SOURCES"]

IMAGES = Counter(
    "livetrap_extract_images_total", "Images, by reason: accepted or a rejection code", ["reason"]
)
SOURCES = Counter("livetrap_extract_sources_total", "Sources measured in accepted images")
PROCESSING = Histogram(
    "livetrap_extract_processing_seconds",
    "Time from FITS bytes to the record of an accepted image",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
NEGATIVE_PEAKS = Counter(
    "livetrap_extract_negative_peaks_total",
    "Peaks above the threshold in negated images: an estimate of the false detections",
)
FORCED = Counter(
    "livetrap_extract_forced_positions_total",
    "Requested positions, by outcome: measured or why the image was missing",
    ["outcome"],
)
