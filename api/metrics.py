"""Every metric of the API."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ALERTS_STREAMED",
    "ALERT_POLL_FAILURES",
    "CONNECTIONS_ENDED",
    "DATABASE_UP",
    "QUESTIONS_REFUSED",
    "REPLICA_LAG",
    "REQUESTS",
    "REQUESTS_REFUSED",
    "REQUEST_SECONDS",
    "STATISTICS_COPY_SECONDS",
    "STREAM_CLIENTS",
    "TOKENS_REFUSED",
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
CONNECTIONS_ENDED = Counter(
    "livetrap_api_connections_ended_total",
    "Connections that the server ended: too_many of an address, incomplete_request, long_head, "
    "many_headers, many_parameters or pipelined",
    ["reason"],
)
QUESTIONS_REFUSED = Counter(
    "livetrap_api_questions_refused_total",
    "Expensive questions and cutouts refused because their client has others or all is busy",
)
REQUESTS_REFUSED = Counter(
    "livetrap_api_requests_refused_total",
    "Requests that were refused because their address or token sent too many",
)
STATISTICS_COPY_SECONDS = Gauge(
    "livetrap_api_statistics_copy_seconds", "How long the newest copy of statistics took"
)
STREAM_CLIENTS = Gauge("livetrap_api_stream_clients", "Clients connected to the alert stream")
ALERTS_STREAMED = Counter(
    "livetrap_api_streamed_alerts_total", "Alerts sent to clients of the alert stream"
)
ALERT_POLL_FAILURES = Counter(
    "livetrap_api_alert_poll_failures_total", "Queries for new alerts that failed"
)
DATABASE_UP = Gauge("livetrap_api_database_up", "1 if the last query reached PostgreSQL")
REPLICA_LAG = Gauge(
    "livetrap_api_replica_lag_seconds", "How far the replica that is read is behind; 0 without one"
)
TOKENS_REFUSED = Counter(
    "livetrap_api_tokens_refused_total",
    "Requests that were refused for their token: missing, unknown, expired, revoked or scope",
    ["reason"],
)
