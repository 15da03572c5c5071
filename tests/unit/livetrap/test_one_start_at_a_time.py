"""Stacks that start at the same moment take their ports one after the other."""

import itertools
import os
import tempfile
import threading
from pathlib import Path

import pytest

from livetrap.stack import lifecycle


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_second_start_of_any_account_waits_for_the_first_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts = itertools.count(1000)
    monkeypatch.setattr(os, "geteuid", lambda: next(accounts))
    order: list[str] = []
    is_waiting = threading.Event()

    def report(_: str) -> None:
        order.append("second waits")
        is_waiting.set()

    def start_second() -> None:
        with lifecycle._one_start_at_a_time(report):
            order.append("second starts")

    second = threading.Thread(target=start_second)
    with lifecycle._one_start_at_a_time(order.append):
        second.start()
        assert is_waiting.wait(60)
        order.append("first is ready")
    second.join(120)
    assert order == ["second waits", "first is ready", "second starts"]


def test_nobody_waits_longer_than_a_start_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "READY_TIMEOUT_S", 0.1)
    with (
        lifecycle._one_start_at_a_time(lambda _: None),
        lifecycle._one_start_at_a_time(lambda _: None),
    ):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "livetrap-starting.lock").symlink_to(target)
    with lifecycle._one_start_at_a_time(lambda _: None):
        assert not target.exists()
        assert (tmp_path / f"livetrap-{os.geteuid()}-starting.lock").is_file()
