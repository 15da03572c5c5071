"""Image accounting and latencies."""

from pydantic import Field

from api.models.base import Model

__all__ = ["LatencyStage", "Ledger", "Slo", "StreamLedger"]


class StreamLedger(Model):
    """Image accounting of one stream."""

    stream: str
    outcomes: dict[str, int]


class Ledger(Model):
    """Image accounting: every image received on Kafka, by outcome."""

    total: int
    outcomes: dict[str, int] = Field(description="processed, rejected, duplicate, late")
    reasons: dict[str, int] = Field(description="Rejected images by their first reason")
    streams: list[StreamLedger]


class LatencyStage(Model):
    """Latency percentiles of one stage."""

    stage: str
    n: int = Field(description="Images or alerts counted")
    p50_s: float = Field(description="[s]")
    p90_s: float = Field(description="[s]")
    p99_s: float = Field(description="[s]")


class Slo(Model):
    """Latencies within a time window, over at most the newest 20 000 images."""

    window_minutes: float = Field(description="Length of the window until now [min]")
    stages: list[LatencyStage]
