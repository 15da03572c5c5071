"""Image accounting and latencies."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model

__all__ = [
    "LatencyStage",
    "Ledger",
    "QualityBounds",
    "ServiceItem",
    "Services",
    "Slo",
    "StreamLedger",
]


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


class QualityBounds(Model):
    """Noise of the images that are accepted; null: not bounded."""

    rms_min_jy_beam: float | None = Field(description="Less is rejected [Jy/beam]")
    rms_max_jy_beam: float | None = Field(description="More is rejected [Jy/beam]")
    rms_history_images: int = Field(
        description="So many images of a band give the usual noise; 0: it bounds nothing"
    )
    rms_history_sigma: float = Field(
        description="Farther from the usual noise is rejected [sigma]"
    )


class ServiceItem(Model):
    """A process of the stack that this API belongs to."""

    name: str
    state: str = Field(description="RUNNING, STARTING, BACKOFF (waits for its next start), ...")
    is_down: bool = Field(description="It does not run, or ends again and again")
    down_since: datetime | None = Field(description="First of the exits in a row")
    n_exits: int = Field(description="Exits in a row, each soon after its start")
    last_exit: str | None = Field(description="Exit code or signal of the last exit")
    next_start: datetime | None = Field(description="When it is started again")
    log_lines_dropped: int = Field(description="Lines that its log could not take: a full disk")


class Services(Model):
    """The processes of a one-machine stack; none where something else runs them."""

    items: list[ServiceItem]
