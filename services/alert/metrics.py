"""Every metric of the alert service."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["EVENTS", "LATENCY", "LEADS", "RETRIES", "RULES_ARE_CURRENT"]

EVENTS = Counter(
    "livetrap_alert_events_total",
    "Source events by outcome: alerted, repeated, suppressed, rejected, no_rule, never_alerted",
    ["outcome"],
)
LATENCY = Histogram(
    "livetrap_alert_latency_seconds",
    "From Kafka append of the image to the making of the alert, counted when Kafka has it",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0),
)
LEADS = Gauge(
    "livetrap_alert_leads", "1: this process sends the alerts; 0: it stands by, or starts"
)
RETRIES = Counter(
    "livetrap_alert_retries_total",
    "Attempts repeated because Kafka or PostgreSQL was away, or another process leads",
)
RULES_ARE_CURRENT = Gauge(
    "livetrap_alert_rules_are_current",
    "1: the rules of the file apply; 0: the file is invalid, the rules before it apply",
)
