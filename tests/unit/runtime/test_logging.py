"""Warnings of libraries are written in our form, and not too often."""

import errno
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime.logging import LossyStream, RateLimitedHandler, RateLimiter, configure_library_logging


@pytest.fixture(autouse=True)
def _keep_logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers = list(root.handlers)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    root.handlers = handlers


def record(library: str, message: str, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord(library, level, "", 0, message, None, None)


def test_a_second_event_of_a_kind_waits_for_its_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr("runtime.logging.time.monotonic", lambda: now_s)
    limiter = RateLimiter(30.0)
    assert limiter.allows()
    now_s = 129.9
    assert not limiter.allows()
    assert limiter.allows("another kind")
    now_s = 130.0
    assert limiter.allows()


def test_many_warnings_of_one_library_are_one_line_and_those_of_another_are_kept() -> None:
    handler = RateLimitedHandler()
    with capture_logs() as lines:
        for number in range(100):
            handler.handle(record("librdkafka", f"broker {number} down"))
        handler.handle(record("asyncio", "x" * 1000))
    assert [(line["event"], line["library"]) for line in lines] == [
        ("library_warning", "librdkafka"),
        ("library_warning", "asyncio"),
    ]
    assert lines[0]["detail"] == "broker 0 down"
    assert len(lines[1]["detail"]) == 500


def test_the_exception_of_a_library_is_named() -> None:
    error = OSError("disk full")
    with_error = record("asyncpg", "cannot write")
    with_error.exc_info = (OSError, error, None)
    with capture_logs() as lines:
        RateLimitedHandler().handle(with_error)
    assert lines[0]["error"] == "OSError('disk full')"


def test_libraries_and_threads_write_through_our_log() -> None:
    def fail() -> None:
        raise ValueError("lost")

    configure_library_logging(errors_only=("noisy",))
    with capture_logs() as lines:
        logging.getLogger("noisy").warning("a rebalance")
        logging.getLogger("quiet").info("nothing to report")
        logging.getLogger("other").warning("a real one")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert [(line["event"], line.get("library")) for line in lines] == [
        ("library_warning", "other"),
        ("thread_failed", None),
    ]
    assert lines[1]["error"] == "ValueError('lost')"


class FullDisk(io.StringIO):
    """A file on a disk that is full until it is emptied."""

    is_full = True

    def flush(self) -> None:
        if self.is_full:
            self.seek(0)
            self.truncate()
            raise OSError(errno.ENOSPC, "No space left on device")


def test_lines_that_a_full_disk_refuses_are_dropped_and_counted() -> None:
    disk = FullDisk()
    stream = LossyStream(disk)
    for number in range(3):
        stream.write(f"{number}\n")
    disk.is_full = False
    stream.write("3\n")
    stream.write("4\n")
    gap, *lines = disk.getvalue().splitlines()
    assert json.loads(gap)["n_lines"] == 3
    assert lines == ["3", "4"]
    disk.close()
    stream.write("nobody reads this\n")


def test_a_process_whose_log_is_on_a_full_disk_goes_on() -> None:
    script = (
        "from runtime.logging import configure_logging, get_logger\n"
        "configure_logging('test')\n"
        "for number in range(5000): get_logger().info('event_happened', number=number)\n"
        "print('done', flush=True)\n"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert done.stdout == b"done\n"
