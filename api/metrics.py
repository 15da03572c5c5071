"""Every metric of the API."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["REQUESTS", "REQUEST_SECONDS", "STREAMS"]

REQUESTS = Counter(
    "livetrap_api_requests_total", "Requests by route and status", ["route", "status"]
)
REQUEST_SECONDS = Histogram(
    "livetrap_api_request_seconds",
    "Time to the first byte of an answer",
    ["route"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
STREAMS = Gauge("livetrap_api_streams", "Clients on the alert stream now")
