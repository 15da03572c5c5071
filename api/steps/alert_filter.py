"""Which alerts a client of the alert stream wants."""

from dataclasses import dataclass
from datetime import datetime

from api.models.alerts import AlertItem
from api.models.base import Cone
from sky.geometry import separation_deg

__all__ = ["AlertFilter"]

_ROUNDING_DEG = 1e-12


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Conditions on alerts and transients; None leaves one out.

    Parameters
    ----------
    since, until : datetime or None
        First time, and the time before which; of the alert or of the detection.
    stream, kind, state : str or None
        Exact values.
    min_snr : float or None
        Least peak over local rms.
    cone : Cone or None
        Circle that holds the position.
    """

    since: datetime | None = None
    until: datetime | None = None
    stream: str | None = None
    kind: str | None = None
    state: str | None = None
    min_snr: float | None = None
    cone: Cone | None = None

    def passes(self, alert: AlertItem) -> bool:
        """Return whether `alert` meets every condition, as ``list_alerts.sql`` decides it."""
        return (
            (self.since is None or alert.time_alert >= self.since)
            and (self.until is None or alert.time_alert < self.until)
            and (self.stream is None or alert.stream == self.stream)
            and (self.kind is None or alert.kind == self.kind)
            and (self.state is None or alert.state == self.state)
            and (self.min_snr is None or (alert.snr is not None and alert.snr >= self.min_snr))
            and (self.cone is None or _is_inside(self.cone, alert))
        )

    def to_parameters(self) -> dict[str, object]:
        """Return the conditions as parameters of ``list_alerts`` and ``list_transients``."""
        cone = self.cone
        return {
            "since": self.since,
            "until": self.until,
            "stream": self.stream,
            "kind": self.kind,
            "state": self.state,
            "min_snr": self.min_snr,
            "ra": cone and cone.ra,
            "dec": cone and cone.dec,
            "radius_deg": cone and cone.radius_deg,
        }


def _is_inside(cone: Cone, alert: AlertItem) -> bool:
    distance_deg = separation_deg(cone.ra, cone.dec, alert.ra, alert.dec)
    return distance_deg <= cone.radius_deg + _ROUNDING_DEG
