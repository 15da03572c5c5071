"""Replace in the output of tutorials what differs from run to run.

That is: times of the run (those of the simulated images stay), process numbers, ages, latencies,
and cursors, which contain a time.
"""

import base64
import itertools
import json
import re
from datetime import UTC, datetime, timedelta

__all__ = ["without_run"]

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d)(\.\d{6})?")
_RUN = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
_LONGEST_RUN = timedelta(days=1)
_PID = re.compile(r"\(pid \d+\)")
_FIRST_PID = 101
_AGE = re.compile(r"\b\d+ s ago\b")
_CURSOR = re.compile(r'("next": ?")([\w-]+=*)(")')
_LATENCY = re.compile(r'("p(\d+)_s": ?)[\d.e-]+')
_LATENCIES_S = {"50": "0.05", "90": "0.1", "99": "0.2"}


def without_run(text: str, now: datetime) -> str:
    """Return the output of a run as every other run prints it.

    Parameters
    ----------
    text : str
        What a tutorial printed.
    now : datetime
        End of the run, UTC.
    """
    pids = itertools.count(_FIRST_PID)
    text = _CURSOR.sub(lambda found: found[1] + _fix_cursor(found[2], now) + found[3], text)
    text = _fix_times(text, now)
    text = _PID.sub(lambda _: f"(pid {next(pids)})", text)
    text = _AGE.sub("6 s ago", text)
    return _LATENCY.sub(lambda found: found[1] + _LATENCIES_S[found[2]], text)


def _fix_times(text: str, now: datetime) -> str:
    def fix(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(f"{found[1]}T{found[3]}").replace(tzinfo=UTC)
        if not now - _LONGEST_RUN < moment <= now:
            return found[0]
        fixed = f"{_RUN:%Y-%m-%d}{found[2]}{_RUN:%H:%M:%S}"
        return fixed if found[4] is None else f"{fixed}{_RUN:.%f}"

    return _TIME.sub(fix, text)


def _fix_cursor(cursor: str, now: datetime) -> str:
    """Return a cursor, base64 of a JSON list, with the times of the run replaced."""
    content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    fixed = json.dumps(json.loads(_fix_times(content, now)))
    return base64.urlsafe_b64encode(fixed.encode()).decode().rstrip("=")
