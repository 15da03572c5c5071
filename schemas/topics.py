"""Topic names, keys and headers; a MAJOR version is part of a name."""

from dataclasses import dataclass

__all__ = ["Topics", "image_message_key"]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one installation.

    Parameters
    ----------
    prefix : str
        Prefix of every name: several installations can share a broker.
    """

    prefix: str = ""

    @property
    def images(self) -> str:
        """FITS bytes, keyed by stream and band."""
        return f"{self.prefix}images-v1"

    @property
    def detections(self) -> str:
        """Avro `image_detections`, keyed by stream."""
        return f"{self.prefix}detections-v1"

    @property
    def forced_requests(self) -> str:
        """Avro, keyed as images."""
        return f"{self.prefix}forced-requests-v1"

    @property
    def forced_measurements(self) -> str:
        """Avro, keyed by stream."""
        return f"{self.prefix}forced-measurements-v1"

    @property
    def stamp_requests(self) -> str:
        """Avro, keyed as images."""
        return f"{self.prefix}stamp-requests-v1"

    @property
    def stamps(self) -> str:
        """Avro `image_stamps`, keyed by stream."""
        return f"{self.prefix}stamps-v1"

    @property
    def transients(self) -> str:
        """Avro `source_event`, keyed by stream."""
        return f"{self.prefix}transients-v1"

    @property
    def alerts_voevent(self) -> str:
        """VOEvent 2.0 XML, keyed by TrigID."""
        return f"{self.prefix}alerts-voevent-v1"

    @property
    def alerts_gcn(self) -> str:
        """GCN-style JSON, keyed by TrigID."""
        return f"{self.prefix}gcn.notices.livetrap.radio_transient"

    @property
    def alerts_avro(self) -> str:
        """Avro `alert_packet` with the history of the source, keyed by TrigID."""
        return f"{self.prefix}alerts-avro-v1"

    @property
    def heartbeat(self) -> str:
        """One liveness probe per second."""
        return f"{self.prefix}livetrap.heartbeat"

    @property
    def dead_letters(self) -> str:
        """Original bytes; headers give the origin and the reason."""
        return f"{self.prefix}dead-letters-v1"

    def alerts(self) -> tuple[str, ...]:
        """Return the topics that every alert goes to."""
        return (self.alerts_voevent, self.alerts_gcn, self.alerts_avro)

    def alerts_of(self, subscription: str) -> str:
        """GCN-style JSON of the alerts that a subscription wants, keyed by TrigID."""
        return f"{self.prefix}alerts-{subscription}"

    def all(self) -> tuple[str, ...]:
        """Return every topic name."""
        return (
            self.images,
            self.detections,
            self.forced_requests,
            self.forced_measurements,
            self.stamp_requests,
            self.stamps,
            self.transients,
            self.alerts_voevent,
            self.alerts_gcn,
            self.alerts_avro,
            self.heartbeat,
            self.dead_letters,
        )


def image_message_key(stream: str, freq_eff_hz: float | None) -> str:
    """Return the key of an image: one stream and band stay in order on one partition.

    To 1 kHz: the subbands of one instrument are 195 kHz wide, and each may have an extractor.
    """
    band = "" if freq_eff_hz is None else f"{freq_eff_hz / 1e6:.3f}MHz"
    return f"{stream}:{band}"
