"""Alerts as they come, one line each, compared with what the simulator put into the sky."""

import contextlib
import csv
import json
import math
import queue
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx

__all__ = ["AlertFeed", "TickerAlert", "TruthFile", "alert_line", "parse_alert"]

_MATCH_RADIUS_ARCSEC = 30.0
_RECONNECT_S = 0.5


@dataclass(frozen=True, slots=True)
class TickerAlert:
    """What the ticker shows of an alert.

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


class TruthFile:
    """The simulator's truth.csv, read again whenever it grows.

    Parameters
    ----------
    path : Path
        May not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes = -1
        self._sources: list[tuple[float, float, str]] = []

    def match(self, ra: float, dec: float) -> tuple[str, float] | None:
        """Return kind and distance [arcsec] of the nearest true source, if one is near enough.

        Parameters
        ----------
        ra, dec : float
            Position, ICRS [deg].

        Returns
        -------
        tuple of str and float, or None
            None if nothing is within 30 arcsec.
        """
        self._read()
        found = [(_separation_arcsec(ra, dec, *place), kind) for *place, kind in self._sources]
        distance_arcsec, kind = min(found, default=(math.inf, ""))
        return (kind, distance_arcsec) if distance_arcsec <= _MATCH_RADIUS_ARCSEC else None

    def _read(self) -> None:
        if not self._path.exists() or self._path.stat().st_size == self._size_bytes:
            return
        self._size_bytes = self._path.stat().st_size
        with self._path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            self._sources = [(float(row["ra"]), float(row["dec"]), row["kind"]) for row in rows]


class AlertFeed:
    """The API's stream of alerts, followed in the background and joined again when it breaks.

    Parameters
    ----------
    api_url : str
        Address of the API.
    """

    def __init__(self, api_url: str) -> None:
        self._url = f"{api_url}/api/v1/alerts/stream"
        self._alerts: queue.Queue[TickerAlert] = queue.Queue()
        self._closed = threading.Event()
        self._last_id: str | None = None
        threading.Thread(target=self._follow, name="alert-feed", daemon=True).start()

    def take(self, *, timeout_s: float) -> list[TickerAlert]:
        """Return the next alert, or none if there was none for `timeout_s`."""
        try:
            return [self._alerts.get(timeout=timeout_s)]
        except queue.Empty:
            return []

    def close(self) -> None:
        """Stop following."""
        self._closed.set()

    def _follow(self) -> None:
        """Read the stream until closed; the API may start again meanwhile."""
        while not self._closed.is_set():
            # The API restarts or was stopped: Last-Event-ID resumes without loss.
            with contextlib.suppress(httpx.HTTPError):
                self._read_once()
            self._closed.wait(_RECONNECT_S)

    def _read_once(self) -> None:
        headers = {"Accept": "text/event-stream"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        timeout = httpx.Timeout(5.0, read=60.0)
        with httpx.stream(
            "GET", self._url, headers=headers, timeout=timeout, trust_env=False
        ) as answer:
            answer.raise_for_status()
            event_id = None
            for line in answer.iter_lines():
                field, _, value = line.partition(":")
                if field == "id":
                    event_id = value.strip()
                elif field == "data":
                    self._alerts.put(parse_alert(json.loads(value)))
                elif not line:
                    self._last_id = event_id or self._last_id


def parse_alert(item: dict[str, object]) -> TickerAlert:
    """Read one item of the API's alert stream."""

    def first(*names: str, default: object) -> str:
        values = (item[name] for name in names if item.get(name) is not None)
        return str(next(values, default))

    what = first("kind", "alert_type", default="?")
    alert_type = first("alert_type", default="initial")
    return TickerAlert(
        name=first("ivorn", "id", default="?"),
        kind=what if alert_type == "initial" else alert_type,
        time=first("time_alert", "alert_datetime", "trigger_time", default="?"),
        ra=float(first("ra", default=math.nan)),
        dec=float(first("dec", default=math.nan)),
        snr=float(first("snr", "image_snr", default=math.nan)),
    )


def alert_line(alert: TickerAlert, truth: TruthFile) -> str:
    """Return one line for the terminal: when, what, where, how strong, and whether it is true."""
    match = truth.match(alert.ra, alert.dec)
    if match is None:
        verdict = "NOT in the truth"
    else:
        verdict = f"true: {match[0]}, {match[1]:.1f} arcsec away"
    return (
        f"{alert.time:.19}  {alert.kind:<10}  ra {alert.ra:9.4f}  dec {alert.dec:+9.4f}  "
        f"snr {alert.snr:6.1f}  {verdict}"
    )


def _separation_arcsec(ra_1: float, dec_1: float, ra_2: float, dec_2: float) -> float:
    """Return the distance of two positions on the sky by the haversine formula [arcsec]."""
    lat_1, lat_2 = math.radians(dec_1), math.radians(dec_2)
    half_lon = math.radians(ra_2 - ra_1) / 2
    h = (
        math.sin((lat_2 - lat_1) / 2) ** 2
        + math.cos(lat_1) * math.cos(lat_2) * math.sin(half_lon) ** 2
    )
    return math.degrees(2 * math.asin(math.sqrt(min(1.0, h)))) * 3600
