"""An alert before and after it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.alert.models.context import FirstAlert

__all__ = [
    "AlertHistory",
    "Decision",
    "KnownNames",
    "LowWatermark",
    "NewAlert",
    "StoredAlert",
]

# End of each partition of the alert topics, keyed "topic/partition".
LowWatermark = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Reference catalogues, streams and telescopes of the database."""

    catalogues: frozenset[str]
    streams: frozenset[str]
    telescopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """How an event becomes an alert.

    Parameters
    ----------
    rule : str or None
        Name of the rule that applies; None for a follow-up of an earlier alert.
    importance : float
        0 to 1 [-].
    role : str
        ``observation``, ``test``, ``injection`` or ``utility``.
    storm_release : str or None
        Who released it from a storm, ``operator`` or ``automatic``; None: it was in none.
    """

    rule: str | None
    importance: float
    role: str
    storm_release: str | None = None

    @property
    def voevent_role(self) -> str:
        """Role of the packet; VOEvent 2.0 has none for injections, so they are tests."""
        return "test" if self.role == "injection" else self.role


@dataclass(frozen=True, slots=True)
class AlertHistory:
    """The alerts before an event.

    Parameters
    ----------
    revision : int
        Alerts about its source [-].
    role : str or None
        Role of the last of them, as in a `Decision`.
    importance : float
        The largest of them, 0 to 1 [-].
    n_of_image, n_of_minute : int
        First alerts from its image, and from its stream in the minute before [-].
    n_due_of_image : int
        Events of its image that begin an episode, or wait for their look back, and that a rule
        wants, itself included; 0 where they are too few to be counted [-].
    release : str or None
        It was suppressed and is released, by an ``operator`` or ``automatic``; else None.
    earlier_ivorns : tuple of str
        First alerts of the earlier episodes of its source, the newest last.
    event_name : str or None
        Name of the family; None: it has none, or no alert yet.
    time_limit_previous : datetime or None
        When the limit of its first alert was observed; None: it has none, or no alert yet.
    first_alert : FirstAlert or None
        Of the family; None: no alert yet.
    """

    revision: int = 0
    role: str | None = None
    importance: float = 0.0
    n_of_image: int = 0
    n_of_minute: int = 0
    n_due_of_image: int = 0
    release: str | None = None
    earlier_ivorns: tuple[str, ...] = ()
    event_name: str | None = None
    time_limit_previous: datetime | None = None
    first_alert: FirstAlert | None = None


@dataclass(frozen=True, slots=True)
class NewAlert:
    """One row of table `alert`, with the packet and the notice that are sent.

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
    avro_packet : bytes
        Avro with the prefix of a schema registry.
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
    avro_packet: bytes = field(compare=False)


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert that is safely in the database, and whether Kafka has it.

    Parameters
    ----------
    low_watermark : mapping
        Ends of the alert topics at some time before the first attempt to send it.
    may_be_sent : bool
        An attempt that was interrupted may have brought it to Kafka.
    avro_packet : bytes or None
        None: the alert is older than Avro packets.
    """

    id: int
    ivorn: str
    trig_id: str
    role: str
    voevent: bytes
    notice: bytes
    low_watermark: LowWatermark
    is_published: bool
    latency_s: float | None
    may_be_sent: bool
    avro_packet: bytes | None = None
