"""Every metric of the API."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "DATABASE_IS_THERE",
    "FOLLOWER_FAILURES",
    "REQUESTS",
    "REQUEST_SECONDS",
    "STREAMED",
    "STREAMS",
]

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
STREAMED = Counter("livetrap_api_streamed_alerts_total", "Alerts sent to stream clients")
FOLLOWER_FAILURES = Counter(
    "livetrap_api_follower_failures_total", "Looks for new alerts that PostgreSQL did not answer"
)
DATABASE_IS_THERE = Gauge(
    "livetrap_api_database_is_there", "1 if the last question to PostgreSQL was answered"
)
