"""Every metric of the alert service."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "DELIVERY_ATTEMPTS",
    "EVENTS",
    "LATENCY",
    "RETRIES",
    "RULES_ARE_CURRENT",
    "SUBMISSIONS",
    "SUBSCRIBERS",
    "VTP_DISCONNECTS",
    "VTP_PACKETS",
]

EVENTS = Counter(
    "livetrap_alert_events_total",
    "Source events by what became of them: alerted, repeated, rejected, or why not alerted",
    ["outcome"],
)
LATENCY = Histogram(
    "livetrap_alert_latency_seconds",
    "From Kafka append of the image to the alert on Kafka and VTP",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0),
)
DELIVERY_ATTEMPTS = Counter(
    "livetrap_alert_delivery_attempts_total",
    "Webhooks, brokers and digests: attempts by outcome",
    ["channel", "name", "outcome"],
)
RETRIES = Counter(
    "livetrap_alert_retries_total", "Attempts repeated because Kafka or PostgreSQL was away"
)
RULES_ARE_CURRENT = Gauge(
    "livetrap_alert_rules_are_current", "1: as in the file; 0: the file is wrong, older rules hold"
)
SUBMISSIONS = Counter(
    "livetrap_alert_submissions_total",
    "Connections of other authors by what became of them: taken, or why not",
    ["outcome"],
)
SUBSCRIBERS = Gauge("livetrap_alert_subscribers", "VTP subscribers connected now")
VTP_DISCONNECTS = Counter(
    "livetrap_alert_vtp_disconnects_total", "VTP subscribers gone, by reason", ["reason"]
)
VTP_PACKETS = Counter("livetrap_alert_vtp_packets_total", "VOEvents written to VTP subscribers")
