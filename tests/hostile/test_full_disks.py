"""Logs on disks that take nothing, in every way in which a system says so."""

import errno
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livetrap.stack.log_file import LossyLogFile
from livetrap.stack.paths import least_free_bytes
from runtime.logging import LossyStream

REFUSALS = [
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EPIPE, errno.EAGAIN,
    errno.EBADF, errno.ESTALE, errno.ENXIO, errno.EINTR, errno.ENOMEM,
]  # fmt: skip


def named(number: int) -> str:
    return errno.errorcode[number]


class Refusing(io.StringIO):
    """A stream that takes nothing for a while."""

    def __init__(self, error: Exception, step: str) -> None:
        super().__init__()
        self.error: Exception | None = error
        self.step = step

    def write(self, text: str) -> int:
        if self.error is not None and self.step == "write":
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        if self.error is not None and self.step == "flush":
            raise self.error
        super().flush()


@pytest.mark.parametrize("step", ["write", "flush"])
@pytest.mark.parametrize("number", REFUSALS, ids=named)
def test_a_log_that_is_refused_is_counted_and_goes_on(number: int, step: str) -> None:
    stream = Refusing(OSError(number, "no"), step)
    log = LossyStream(stream)
    for _ in range(1000):
        assert log.write("a line\n") == 7
    stream.error = None
    log.write("the last line\n")
    told = stream.getvalue()
    assert told.endswith("the last line\n")
    assert '"n_lines": 1000' in told


@pytest.mark.parametrize("text", ["half \ud800 of a pair\n", "\x00\n", "\u2028\n"])
def test_what_a_log_cannot_write_ends_nothing(text: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    log = LossyStream(stream)
    log.write(text)
    log.write("the last line\n")
    assert stream.buffer.getvalue().endswith(b"the last line\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", REFUSALS, ids=named)
def test_a_file_of_the_supervisor_that_is_refused_is_counted_and_goes_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.log"
    log = LossyLogFile(path, max_bytes=100, backups=2)
    log.write(b"first\n")

    def refuse(*_: object, **__: object) -> Any:
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        patch.setattr(Path, "replace", refuse)
        log.close()
        for _ in range(50):
            log.write(b"x" * 60 + b"\n")
    assert log.lines_dropped == 50
    log.write(b"last\n")
    log.close()
    assert path.read_bytes().endswith(b"last\n")
    assert b'"n_lines": 50' in path.read_bytes()


@pytest.mark.parametrize("place", ["file", "nothing", "folder of that name"])
def test_a_folder_of_logs_that_is_another_thing_for_a_while(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "logs"
    log = LossyLogFile(folder / "a.log", max_bytes=100, backups=2)
    if place == "file":
        folder.write_text("")
    elif place == "folder of that name":
        (folder / "a.log").mkdir(parents=True)
    for _ in range(20):
        log.write(b"line\n")
    assert log.lines_dropped == 20
    if place == "file":
        folder.unlink()
    elif place == "folder of that name":
        (folder / "a.log").rmdir()
    folder.mkdir(exist_ok=True)
    log.write(b"last\n")
    log.close()
    assert (folder / "a.log").read_bytes().endswith(b"last\n")


def test_a_full_disk_of_one_server_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kafka", "postgres", "logs"):
        (tmp_path / name).mkdir()
    (tmp_path / "state.json").write_text("{}")

    def disk_usage(path: Path) -> Any:
        return SimpleNamespace(free=4096 if Path(path).name == "kafka" else 1 << 40)

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    assert least_free_bytes(tmp_path) == 4096


def test_a_file_that_cannot_be_put_away_is_written_on(tmp_path: Path) -> None:
    """A folder stands where the older file should go: rather a long log than none."""
    (tmp_path / "a.log.1" / "kept").mkdir(parents=True)
    log = LossyLogFile(tmp_path / "a.log", max_bytes=100, backups=1)
    for number in range(20):
        log.write(b"%02d " % number + b"x" * 60 + b"\n")
    log.close()
    assert log.lines_dropped == 0
    assert len((tmp_path / "a.log").read_bytes()) == 20 * 64
