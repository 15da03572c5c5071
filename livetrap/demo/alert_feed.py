"""Follow the stream of alerts of the API."""

import contextlib
import json
import math
import queue
import threading
from dataclasses import dataclass

import httpx

__all__ = ["AlertFeed", "FeedAlert", "parse_alert"]

_RECONNECT_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class FeedAlert:
    """The parts of an alert that the demo shows.

    Parameters
    ----------
    name : str
        Its identifier.
    kind : str
        ``new_source``, ``variable``, ...; for what follows a first alert ``update``, ...
    time : str
        When it was sent, ISO 8601.
    ra, dec : float
        Position, ICRS [deg].
    snr : float
        Of the detection.
    """

    name: str
    kind: str
    time: str
    ra: float
    dec: float
    snr: float


class AlertFeed:
    """Follows the API's stream of alerts in the background; reconnects when it breaks.

    Parameters
    ----------
    api_url : str
        Address of the API.
    """

    def __init__(self, api_url: str) -> None:
        self._url = f"{api_url}/api/v1/alerts/stream"
        self._alerts: queue.Queue[FeedAlert] = queue.Queue()
        self._closed = threading.Event()
        self._last_id: str | None = None
        threading.Thread(target=self._follow, name="alert-feed", daemon=True).start()

    def take(self, *, timeout_s: float) -> list[FeedAlert]:
        """Return the next alert, or none if there was none for `timeout_s`."""
        try:
            return [self._alerts.get(timeout=timeout_s)]
        except queue.Empty:
            return []

    def close(self) -> None:
        """Stop following."""
        self._closed.set()

    def _follow(self) -> None:
        """Read the stream until closed, across restarts of the API."""
        while not self._closed.is_set():
            # While the API restarts; Last-Event-ID resumes without loss.
            with contextlib.suppress(httpx.HTTPError):
                self._read_once()
            self._closed.wait(_RECONNECT_INTERVAL_S)

    def _read_once(self) -> None:
        headers = {"Accept": "text/event-stream"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        timeout = httpx.Timeout(5.0, read=60.0)
        with httpx.stream(
            "GET", self._url, headers=headers, timeout=timeout, trust_env=False
        ) as answer:
            answer.raise_for_status()
            event_id, kind = None, ""
            for line in answer.iter_lines():
                field, _, value = line.partition(":")
                if field == "id":
                    event_id = value.strip()
                elif field == "event":
                    kind = value.strip()
                elif field == "data" and kind == "alert":
                    self._alerts.put(parse_alert(json.loads(value)))
                elif not line:
                    self._last_id, kind = event_id or self._last_id, ""


def parse_alert(item: dict[str, object]) -> FeedAlert:
    """Read one item of the API's alert stream."""

    def first(*names: str, default: object) -> str:
        values = (item[name] for name in names if item.get(name) is not None)
        return str(next(values, default))

    what = first("kind", "alert_type", default="?")
    alert_type = first("alert_type", default="initial")
    return FeedAlert(
        name=first("ivorn", "id", default="?"),
        kind=what if alert_type == "initial" else alert_type,
        time=first("time_alert", "alert_datetime", "trigger_time", default="?"),
        ra=float(first("ra", default=math.nan)),
        dec=float(first("dec", default=math.nan)),
        snr=float(first("snr", "image_snr", default=math.nan)),
    )
