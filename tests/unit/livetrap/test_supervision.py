"""A program that keeps ending is started for ever, and a full log disk ends nothing."""

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from livetrap.stack.errors import StackError
from livetrap.stack.log_file import LossyLogFile
from livetrap.stack.restarts import ExitSeries, RestartPolicy, describe_exit
from livetrap.stack.supervisor_config import Program
from runtime.programs import SupervisorError, read_programs
from tests.support.supervised import Supervised, shell, supervised

QUICK = RestartPolicy(max_delay_s=0.01, steady_after_s=600)
PATIENT = RestartPolicy(max_delay_s=600, steady_after_s=600)


def test_pauses_double_up_to_the_longest_and_never_end() -> None:
    policy = RestartPolicy()
    pauses = [policy.delay_s(n) for n in range(1, 11)]
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert policy.delay_s(10**9) == 60


def test_a_long_run_makes_earlier_exits_the_past() -> None:
    series = ExitSeries(RestartPolicy(steady_after_s=10))
    for second in range(5):
        series.add("exit code 1", ran_s=0.5, now_unix_s=1000.0 + second)
    assert series.down_since_unix_s(is_running=True) == 1000
    assert series.add("killed by SIGKILL", ran_s=10, now_unix_s=2000.0) == 0
    assert series.n_exits == 1
    assert series.down_since_unix_s(is_running=False) == 2000
    assert series.down_since_unix_s(is_running=True) is None


def test_a_server_has_to_run_longer_until_it_counts_as_well() -> None:
    server, service = (ExitSeries(RestartPolicy(), is_server=which) for which in (True, False))
    for series in (server, service):
        series.add("exit code 1", ran_s=20, now_unix_s=1000)
        series.add("exit code 1", ran_s=20, now_unix_s=1020)
    assert (server.n_exits, service.n_exits) == (2, 1)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exit code 0"),
        (2 << 8, "exit code 2"),
        (9, "killed by SIGKILL"),
        (11 | 128, "killed by SIGSEGV"),
        (60, "killed by signal 60"),
    ],
)
def test_an_exit_in_words(status: int, words: str) -> None:
    assert describe_exit(status) == words


def test_however_a_program_ends_it_is_started_again_and_again() -> None:
    ends = {
        "exit_0": ("exit 0", "exit code 0"),
        "exit_2": ("exit 2", "exit code 2"),
        "killed": ("kill -KILL $$", "killed by SIGKILL"),
        "segfault": ("kill -SEGV $$", "killed by SIGSEGV"),
    }
    programs = [shell(name, script) for name, (script, _) in ends.items()]
    missing = Program("missing", "services", ("/nowhere/program",), autostart=True)
    once = Program("once", "feed", ("/bin/true",), autostart=True, autorestart=False)
    with supervised(*programs, missing, once, policy=QUICK) as stack:
        states = stack.wait_for(
            lambda now: all(item.n_exits > 10 for item in now.values() if item.is_restarted)
        )
        assert states["once"].state in {"EXITED", "FATAL"}  # it is not meant to run for ever
        assert not states["once"].is_down
        for name, (_, words) in ends.items():
            assert states[name].is_down
            assert states[name].last_exit == words
        assert "/nowhere/program" in str(states["missing"].last_exit)
        with pytest.raises(StackError, match="exit code 2"):
            stack.supervisor.assert_alive("exit_2")


def test_the_reason_of_an_end_is_told_though_other_lines_follow_it() -> None:
    ends = {
        "port": ['LOG: could not bind IPv4 address "127.0.0.1": Address already in use',
                 "FATAL: could not create any TCP/IP sockets"],
        "folder": ['FATAL: data directory "/none" does not exist'],
    }  # fmt: skip
    programs = [
        shell(name, f"printf '%s\\n' '{chr(10).join([*lines, 'LOG: the end'])}'; exit 1")
        for name, lines in ends.items()
    ]
    with supervised(*programs, policy=QUICK) as stack:
        stack.wait_for(lambda now: all(item.n_exits > 4 for item in now.values()))
        for name, (reason, *_) in ends.items():
            with pytest.raises(StackError, match=reason):
                stack.supervisor.assert_alive(name)


def test_a_program_that_recovers_is_not_down_any_more(tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/n; [ $(wc -l < {tmp_path}/n) -gt 4 ] || exit 3; exec sleep 600"
    policy = RestartPolicy(max_delay_s=0.01, steady_after_s=0.5)
    with supervised(shell("moody", script), policy=policy) as stack:
        stack.wait_for(lambda now: now["moody"].is_down and now["moody"].n_exits == 4)
        states = stack.wait_for(lambda now: not now["moody"].is_down)
        assert states["moody"].state == "RUNNING"
        assert states["moody"].n_exits == 0
        # A kill after a good run: it is back at once, and was not down for long.
        os.kill(states["moody"].pid, 9)
        again = stack.wait_for(lambda now: now["moody"].pid not in {0, states["moody"].pid})
        assert again["moody"].n_exits <= 1


def test_a_stop_does_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    sleeper = shell("sleeper", "exec sleep 600")
    with supervised(shell("failing", "exit 1"), sleeper, policy=PATIENT) as stack:
        states = stack.wait_for(lambda now: _waits_long(now["failing"].next_start_unix_s))
        child = psutil.Process(states["sleeper"].pid)
        supervisord = psutil.Process(stack.pid)
        _assert_times_are_utc(stack.logs / "supervisord.log")
    assert not supervisord.is_running()
    assert not child.is_running()


def _assert_times_are_utc(log: Path) -> None:
    """Compare the first time of a log with now; Kathmandu is 5:45 ahead."""
    written = datetime.strptime(log.read_text()[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=30)


def _waits_long(next_start_unix_s: float | None) -> bool:
    return next_start_unix_s is not None and next_start_unix_s > time.time() + 0.5


def test_a_full_log_disk_ends_no_process_and_blocks_none(tmp_path: Path) -> None:
    done = tmp_path / "done"
    talker = shell("talker", f"seq 100000; touch {done}; exec sleep 600")  # 590 kB: > any pipe
    with supervised(talker, shell("failing", "exit 1"), policy=QUICK, full_logs=True) as stack:
        stack.wait_for(lambda now: done.exists() and now["failing"].n_exits > 3)
        stack.wait_for(lambda now: now["talker"].log_lines_dropped >= 100_000)
        assert read_programs(stack.socket).log_lines_dropped > 3
        _assert_logs_again(stack)


def _assert_logs_again(stack: Supervised) -> None:
    """Give the logs a disk that takes them."""
    log = stack.logs / "supervisord.log"
    log.unlink()
    stack.wait_for(lambda _: log.exists() and "log_lines_dropped" in log.read_text())


@pytest.mark.parametrize("inside", ['t\u00e9st, "it\'s" 100% #1 ;\n', "x" * 200])
def test_the_name_of_the_data_folder_does_not_matter(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    talker = shell("talker", "echo hello; exec sleep 600")
    with supervised(talker, policy=QUICK, inside=inside) as stack:
        log = stack.logs / "talker.log"
        stack.wait_for(lambda _: log.exists() and log.read_text() == "hello\n")
        assert log.resolve().parent.parent.name == inside


def test_a_socket_without_supervisord_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="does not answer"):
        read_programs(str(tmp_path / "nothing.sock"))


def test_a_log_goes_on_after_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    log = LossyLogFile(path, max_bytes=10_000, backups=2)
    log.write(b"one\n")
    log.close()
    kept = path.rename(tmp_path / "kept.log")
    path.symlink_to("/dev/full")
    log.write(b"two\nthree\n")
    log.write(b"four\n")
    assert log.lines_dropped == 3
    path.unlink()
    log.write(b"five\n")
    log.close()
    assert kept.read_bytes() == b"one\n"
    empty, gap, five = path.read_text().splitlines()
    assert (empty, five) == ("", "five")
    assert '"n_lines": 3' in gap


def test_a_log_is_rotated(tmp_path: Path) -> None:
    log = LossyLogFile(tmp_path / "service.log", max_bytes=100, backups=2)
    for number in range(40):
        log.write(f"{number:09d}\n".encode())
    log.close()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["service.log", "service.log.1", "service.log.2"]
    assert (tmp_path / "service.log.1").read_text().splitlines()[-1] == "000000029"
    assert log.lines_dropped == 0
