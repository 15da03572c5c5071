"""Pauses between the questions of a test that waits."""

import time

import pytest

from tests.support.polling import Pause


class Clock:
    """Time that passes when somebody sleeps, and CPU time that a question takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept_s: list[float] = []
        self.cpu_s = 0.0
        monkeypatch.setattr(time, "sleep", self.slept_s.append)
        monkeypatch.setattr(time, "process_time", lambda: self.cpu_s)

    def ask(self, *, n: int, cost_s: float) -> list[float]:
        pause = Pause(0.05)
        for _ in range(n):
            self.cpu_s += cost_s
            pause.sleep()
        return self.slept_s


def test_a_question_that_costs_nothing_is_asked_at_the_same_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Clock(monkeypatch).ask(n=100, cost_s=0.001) == [0.05] * 100


def test_a_costly_question_is_asked_soon_and_takes_little_of_a_long_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept_s = Clock(monkeypatch).ask(n=100, cost_s=0.03)
    assert slept_s[0] == 0.05
    assert sum(slept_s[:10]) < 1
    assert slept_s[-1] == pytest.approx(0.24)


def test_no_pause_is_longer_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(Clock(monkeypatch).ask(n=100, cost_s=5.0)) == 1.0
