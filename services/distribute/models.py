"""Alerts on their way to subscribers, and what is known about each delivery."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.delivery_channels import DeliveryChannelName
from schemas.messages import SourceEvent

__all__ = [
    "AlertEvent",
    "AlertKey",
    "Delivery",
    "OutgoingAlert",
    "PendingDelivery",
    "Replay",
    "ReplayedAlert",
    "SourcePictures",
    "StoredStamp",
    "Submission",
    "SubscriberState",
    "Subscription",
    "VtpDocument",
]


@dataclass(frozen=True, slots=True)
class AlertKey:
    """Row and identifier of an alert."""

    id: int
    ivorn: str


@dataclass(frozen=True, slots=True)
class OutgoingAlert:
    """An alert as a subscriber gets it.

    Parameters
    ----------
    voevent : bytes
        VOEvent 2.0 XML.
    notice : bytes
        GCN-style JSON.
    """

    ivorn: str
    voevent: bytes
    notice: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert was sent to a subscriber, or the subscriber acknowledged it."""

    ivorn: str
    channel: DeliveryChannelName
    subscriber: str
    time: datetime
    is_acknowledged: bool


@dataclass(frozen=True, slots=True)
class SubscriberState:
    """A named subscriber; `disabled_reason` is None while it is served.

    Parameters
    ----------
    since_alert_id : int
        Alerts up to this row are done, or older than its subscription.
    n_failures : int
        Attempts without a delivery since the last one, refused ones among them [-].
    n_refusals : int
        Refusals among them [-].
    """

    since_alert_id: int
    n_failures: int
    disabled_reason: str | None
    n_refusals: int = 0


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """An alert that a channel has to deliver next; one that `is_old` is skipped."""

    id: int
    is_old: bool
    alert: OutgoingAlert


@dataclass(frozen=True, slots=True)
class Subscription:
    """What somebody wants, and how it is delivered; the columns of table `subscription`."""

    id: int
    name: str
    rule: str
    ra: float | None
    dec: float | None
    radius_deg: float | None
    moc: str
    schedule: str
    channel: str
    target: str
    secret: str | None
    stamps: bool

    @property
    def cone(self) -> tuple[float, float, float] | None:
        """Right ascension, declination and radius [deg]; None: it has no cone."""
        if self.ra is None or self.dec is None or self.radius_deg is None:
            return None
        return self.ra, self.dec, self.radius_deg


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """The event of an alert.

    Parameters
    ----------
    event : SourceEvent or None
        None: the alert is about no source.
    is_followed : bool
        The subscription has an earlier alert of its family.
    """

    trig_id: str
    time_alert: datetime
    event: SourceEvent | None
    is_followed: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """Alerts of the past for one subscription.

    Parameters
    ----------
    name : str
        Name of the subscription.
    time_since, time_until : datetime
        Times of the alerts, UTC; the last one is excluded.
    speed : float
        How much faster than they were [-].
    since_alert_id : int
        Alerts up to this row are sent.
    """

    id: int
    name: str
    time_since: datetime
    time_until: datetime
    speed: float
    since_alert_id: int


@dataclass(frozen=True, slots=True)
class ReplayedAlert:
    """An alert of the past, and when it was made."""

    id: int
    time_alert: datetime
    alert: OutgoingAlert


@dataclass(frozen=True, slots=True)
class StoredStamp:
    """A stamp that was asked for.

    Parameters
    ----------
    trig_id : str
        Identity that the alerts of its transient share.
    role : str
        Which image it is of: ``now`` or ``before``.
    ra, dec : float
        Its centre, ICRS [deg].
    reason : str
        Code of the reason why it has no file, or its state.
    rms_jy_beam, flux_peak_jy_beam : float or None
        Noise of the image and peak of the detection [Jy/beam].
    data : bytes or None
        FITS file; None: there is none.
    """

    trig_id: str
    role: str
    ra: float
    dec: float
    reason: str
    rms_jy_beam: float | None
    flux_peak_jy_beam: float | None
    data: bytes | None


@dataclass(frozen=True, slots=True)
class SourcePictures:
    """The stamps of a source as PNG, by role; `reason` says why some or all are missing."""

    by_role: Mapping[str, bytes]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """A VOEvent of another author, stored; `packet` is byte for byte what it sent."""

    id: int
    ivorn: str
    packet: bytes


@dataclass(frozen=True, slots=True, weakref_slot=True)
class VtpDocument:
    """What VTP subscribers are sent.

    Parameters
    ----------
    framed : bytes
        The document behind its length; one object for all subscribers.
    is_event : bool
        It is a VOEvent, not a Transport document.
    ivorn : str
        Identifier of an alert; empty for anything else, whose delivery is not recorded.
    """

    framed: bytes
    is_event: bool
    ivorn: str = ""

    @property
    def packet(self) -> bytes:
        """The document without its length."""
        return self.framed[4:]
