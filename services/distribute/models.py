"""Alerts on their way to subscribers, and what is known about each delivery."""

from dataclasses import dataclass
from datetime import datetime

from schemas.delivery_channels import DeliveryChannelName

__all__ = [
    "AlertKey",
    "Delivery",
    "OutgoingAlert",
    "PendingDelivery",
    "Submission",
    "SubscriberState",
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
        Failed attempts in a row [-].
    """

    since_alert_id: int
    n_failures: int
    disabled_reason: str | None


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """An alert that a channel has to deliver next; one that `is_old` is skipped."""

    id: int
    is_old: bool
    alert: OutgoingAlert


@dataclass(frozen=True, slots=True)
class Submission:
    """A VOEvent of another author, stored; `packet` is byte for byte what it sent."""

    id: int
    ivorn: str
    packet: bytes


@dataclass(frozen=True, slots=True)
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
