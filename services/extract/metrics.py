"""What an extract worker counts."""

from prometheus_client import Counter, Histogram

__all__ = ["FORCED", "IMAGES", "NEGATIVE_PEAKS", "PROCESSING", "SOURCES"]

IMAGES = Counter("livetrap_extract_images_total", "Images by verdict and reason", ["reason"])
SOURCES = Counter("livetrap_extract_sources_total", "Measured sources")
PROCESSING = Histogram(
    "livetrap_extract_processing_seconds",
    "From bytes to measured sources",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
NEGATIVE_PEAKS = Counter(
    "livetrap_extract_negative_peaks_total", "Peaks of negated images: false detections"
)
FORCED = Counter(
    "livetrap_extract_forced_positions_total", "Positions measured on request", ["outcome"]
)
