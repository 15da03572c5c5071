"""An alert before and after it was stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = [
    "AlertHistory",
    "Decision",
    "Delivery",
    "LowWatermark",
    "NewAlert",
    "OutgoingAlert",
    "PendingDelivery",
    "StoredAlert",
    "Submission",
    "SubscriberState",
]

# End of each partition of the alert topics, keyed "topic/partition".
LowWatermark = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Decision:
    """That an event becomes an alert, and how.

    Parameters
    ----------
    rule : str or None
        Name of the rule that wants it; None: it follows an alert that went out.
    importance : float
        0 to 1 [-].
    role : str
        ``observation``, ``test``, ``injection`` or ``utility``.
    """

    rule: str | None
    importance: float
    role: str

    @property
    def voevent_role(self) -> str:
        """Role of the packet; VOEvent 2.0 has none for injections, and they are tests."""
        return "test" if self.role == "injection" else self.role


@dataclass(frozen=True, slots=True)
class AlertHistory:
    """What was alerted before an event.

    Parameters
    ----------
    revision : int
        Alerts about its source [-].
    role : str or None
        Of the last of them, as a `Decision` says it.
    n_of_image, n_of_minute : int
        First alerts from its image, and from its stream in the minute before [-].
    is_released : bool
        It was held, and an operator let it out.
    """

    revision: int = 0
    role: str | None = None
    n_of_image: int = 0
    n_of_minute: int = 0
    is_released: bool = False


@dataclass(frozen=True, slots=True)
class NewAlert:
    """One row of table `alert` and the bytes that will travel.

    Two are equal if one event made them: `snr` and `flux_peak_jy_beam` may be NaN, which is
    unequal to itself, so they are compared as the packet has them.

    Parameters
    ----------
    snr : float
        Signal to noise of the event, NaN where it has none [-].
    flux_peak_jy_beam : float
        Peak flux density of the event, NaN where it has none [Jy/beam].
    latency_s : float or None
        From Kafka append of the image to `time_alert` [s].
    voevent : bytes
        VOEvent 2.0 XML, valid.
    notice : bytes
        GCN-style JSON.
    """

    ivorn: str
    trig_id: str
    revision: int
    event_id: str
    alert_type: str
    role: str
    transient_id: int
    source_id: int
    stream: str
    kind: str
    ra: float
    dec: float
    snr: float = field(compare=False)
    flux_peak_jy_beam: float = field(compare=False)
    time_start: datetime
    time_alert: datetime
    voevent: bytes
    notice: bytes
    latency_s: float | None
    rule: str | None
    image_id: str


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """What is left to do for an alert that is safely in the database.

    Parameters
    ----------
    low_watermark : mapping
        Where the alert topics ended, at the latest, before the first attempt to send it.
    may_be_sent : bool
        An attempt that broke off may have brought it to Kafka.
    """

    id: int
    ivorn: str
    trig_id: str
    role: str
    voevent: bytes
    notice: bytes
    low_watermark: LowWatermark
    is_published: bool
    is_broadcast: bool
    latency_s: float | None
    may_be_sent: bool

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.is_published and self.is_broadcast


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert was handed to a subscriber, or the subscriber said that it has it."""

    ivorn: str
    channel: str
    subscriber: str
    time: datetime
    is_acknowledged: bool


@dataclass(frozen=True, slots=True)
class OutgoingAlert:
    """An alert as a subscriber gets it."""

    ivorn: str
    voevent: bytes
    notice: bytes


@dataclass(frozen=True, slots=True)
class SubscriberState:
    """A subscriber with a name of its own; `disabled_reason` is None while it is served."""

    since_alert_id: int
    n_failures: int
    disabled_reason: str | None


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """An alert that a channel has to deal with next; one that `is_old` is passed over."""

    id: int
    is_old: bool
    alert: OutgoingAlert


@dataclass(frozen=True, slots=True)
class Submission:
    """A VOEvent of another author, stored; `packet` is as it came."""

    id: int
    ivorn: str
    packet: bytes
