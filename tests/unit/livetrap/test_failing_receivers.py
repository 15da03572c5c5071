"""What `livetrap status` says of receivers that take no alerts."""

from pathlib import Path

import pytest

from livetrap.operator.status import FailingReceiver, ServiceStatus, get_status, render_status

SERVICE = ServiceStatus(
    state="RUNNING", pid=7, is_down=False, down_since=None, n_exits=0, last_exit=None,
    log_lines_dropped=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("n_failures", "n_refusals", "said"),
    [
        (20, 0, "failing since TIME, 20 attempts: no route"),
        (21, 1, "failing since TIME, 21 attempts, 1 of them refused: no route"),
        (40, 20, "disabled since TIME, 40 attempts, 20 of them refused: no route"),
    ],
)
def test_refusals_are_told_apart_from_failures(
    n_failures: int, n_refusals: int, said: str, tmp_path: Path
) -> None:
    receiver = FailingReceiver(
        channel="webhook", name="robot", n_failures=n_failures, n_refusals=n_refusals,
        reason="no route", time_failed="2026-03-01T00:00:00Z",
        is_disabled=said.startswith("disabled"),
    )  # fmt: skip
    status = get_status(tmp_path)
    status["services"] = {"alert": SERVICE}
    status["failing_receivers"] = [receiver]
    said = said.replace("TIME", receiver["time_failed"])
    assert f"  webhook      robot is {said}" in render_status(status)
