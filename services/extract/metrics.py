"""Metrics of the extract service."""

from prometheus_client import Counter, Histogram

__all__ = [
    "FORCED",
    "IGNORED_HEADERS",
    "IMAGES",
    "IMAGES_ON_DISK",
    "IMAGE_WARNINGS",
    "NEGATIVE_PEAKS",
    "PROCESSING",
    "SOURCES",
    "STAMPS",
]

IMAGES = Counter(
    "livetrap_extract_images_total", "Images, by reason: accepted or a rejection code", ["reason"]
)
IMAGES_ON_DISK = Counter(
    "livetrap_extract_images_on_disk_total",
    "Images whose pixels went to disk because forced requests for them come late",
)
IMAGE_WARNINGS = Counter(
    "livetrap_extract_image_warnings_total",
    "Accepted images with doubtful values: an unreadable card, a constant taken for blank",
    ["kind"],
)
IGNORED_HEADERS = Counter(
    "livetrap_extract_ignored_headers_total",
    "Optional Kafka headers of images with impossible values, which were ignored",
    ["header"],
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
STAMPS = Counter(
    "livetrap_extract_stamps_total",
    "Requested stamps, by outcome: cut or why there is none",
    ["outcome"],
)
