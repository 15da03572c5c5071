"""Two runs of a tutorial give the same record."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.tutorial_output import without_run
from tests.support.tutorials import TUTORIALS, read_output

FIRST = datetime(2026, 11, 26, 13, 19, 7, 577965, tzinfo=UTC)
SECOND = datetime(2027, 1, 2, 3, 4, 5, 60708, tzinfo=UTC)


def cursor(moment: datetime) -> str:
    content = json.dumps([moment.isoformat(), 5]).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def printed(moment: datetime, pid: int) -> str:
    """Return lines of a run at a time; the images are as old in each."""
    return (
        f"alert        running (pid {pid})\napi          running (pid {pid + 3})\n"
        f"last image   {pid % 60} s ago\n"
        f"{moment:%Y-%m-%d %H:%M:%S}  initial\n<Date>{moment:%Y-%m-%dT%H:%M:%S.%f}</Date>\n"
        f'"time_detected": "{moment:%Y-%m-%dT%H:%M:%S.%f}Z", "next": "{cursor(moment)}"\n'
        f'"p50_s": {pid / 1e5}, "p99_s":{pid / 1e4}, "time_start": "2026-01-01T00:00:10Z"\n'
    )


def test_two_runs_are_recorded_alike() -> None:
    first = without_run(printed(FIRST, 7102), FIRST + timedelta(minutes=3))
    second = without_run(printed(SECOND, 59), SECOND + timedelta(hours=1))
    assert first == second


def test_what_does_not_depend_on_the_run_stays() -> None:
    text = without_run(printed(FIRST, 7102), FIRST + timedelta(minutes=3))
    assert '"time_start": "2026-01-01T00:00:10Z"' in text
    assert "running (pid 101)" in text
    assert "running (pid 102)" in text
    assert "2026-11-26" not in text
    assert text.count("\n") == printed(FIRST, 7102).count("\n")


@pytest.mark.parametrize(
    "name", [path.name for path in TUTORIALS.iterdir() if path.suffix in {".py", ".sh"}]
)
def test_a_record_has_no_time_or_process_of_its_run(name: str) -> None:
    text = json.dumps(read_output(name), ensure_ascii=False)
    # Recorded once more at any time, it is the same.
    for days in range(-3, 400):
        now = datetime(2026, 11, 25, tzinfo=UTC) + timedelta(days=days)
        assert without_run(text, now) == text, now
