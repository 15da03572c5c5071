"""Every metric of the distribute service."""

from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ALERTS",
    "DELIVERY_ATTEMPTS",
    "DELIVERY_LOG_LENGTH",
    "LATENCY",
    "SENT_RECORDS_DROPPED",
    "SUBMISSIONS",
    "SUBSCRIBERS",
    "VTP_DISCONNECTS",
    "VTP_PACKETS",
    "forget_receiver",
]

ALERTS = Counter(
    "livetrap_distribute_alerts_total",
    "Alerts broadcast to VTP subscribers, by where they were read first: kafka or database",
    ["origin"],
)
LATENCY = Histogram(
    "livetrap_distribute_latency_seconds",
    "From Kafka append of the alert to its broadcast",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0),
)
DELIVERY_ATTEMPTS = Counter(
    "livetrap_distribute_delivery_attempts_total",
    "Attempts to deliver to webhooks, brokers, subscriptions and by e-mail: delivered, failed "
    "(also refused at first), refused (the alert was skipped)",
    ["channel", "name", "outcome"],
)
DELIVERY_LOG_LENGTH = Gauge(
    "livetrap_distribute_delivery_log_records",
    "Records of VTP deliveries that wait to be written to the database",
)
SENT_RECORDS_DROPPED = Counter(
    "livetrap_distribute_sent_records_dropped_total",
    "Records that an alert was sent over VTP, dropped while too many waited for the database",
)
SUBMISSIONS = Counter(
    "livetrap_distribute_submissions_total",
    "Connections of other authors by outcome: accepted, or the reason of the refusal",
    ["outcome"],
)
SUBSCRIBERS = Gauge("livetrap_distribute_subscribers", "VTP subscribers connected now")
VTP_DISCONNECTS = Counter(
    "livetrap_distribute_vtp_disconnects_total",
    "Connections of VTP subscribers that ended, by reason",
    ["reason"],
)
VTP_PACKETS = Counter(
    "livetrap_distribute_vtp_packets_total", "VOEvents written to VTP subscribers"
)


def forget_receiver(channel: str, name: str) -> None:
    """Drop the counts of a receiver that is gone: anybody may make and delete subscriptions."""
    for outcome in ("delivered", "failed", "refused"):
        with suppress(KeyError):
            DELIVERY_ATTEMPTS.remove(channel, name, outcome)
