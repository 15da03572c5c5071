"""One line of the terminal for each alert, with its match in the simulator's truth."""

from livetrap.demo.alert_feed import FeedAlert
from livetrap.demo.truth import TruthFile

__all__ = ["alert_line"]


def alert_line(alert: FeedAlert, truth: TruthFile) -> str:
    """Return time, kind, position and S/N of an alert, and its match in the truth."""
    match = truth.match(alert.ra, alert.dec)
    if match is None:
        truth_text = "NOT in the truth"
    else:
        truth_text = f"true: {match[0]}, {match[1]:.1f} arcsec away"
    return (
        f"{alert.time:.19}  {alert.kind:<10}  ra {alert.ra:9.4f}  dec {alert.dec:+9.4f}  "
        f"snr {alert.snr:z6.1f}  {truth_text}"
    )
