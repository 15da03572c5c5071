"""Processes that are forked for who asks, and end with it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.fork_server import ask, listen, serve

LONG_S = 60
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs messages between processes")


def serve_jobs(number: int) -> None:
    """Fork processes that exit with a code, or wait for their end."""
    if request := serve(socket.socket(fileno=number), lifeline=0):
        word, _, code = request.data.decode().partition(" ")
        if word == "wait":
            signal.pause()
        os._exit(int(code))


Server = tuple["subprocess.Popen[bytes]", str]


@pytest.fixture
def server() -> Iterator[Server]:
    # A short name: a socket's has no place for that of every test.
    with tempfile.TemporaryDirectory(prefix="livetrap-test-") as folder:
        path = Path(folder) / "jobs"
        with listen(path) as listener:
            number = listener.fileno()
            code = (
                f"from tests.unit.support.test_fork_server import serve_jobs; serve_jobs({number})"
            )
            with subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, pass_fds=[number],
                cwd=Path(__file__).parents[3],
            ) as process:  # fmt: skip
                yield process, str(path)
                assert process.stdin is not None
                process.stdin.close()
                assert process.wait(LONG_S) == 0


def read(connection: socket.socket) -> int:
    connection.settimeout(LONG_S)
    return int(connection.recv(32))


def test_each_process_tells_its_id_and_its_own_exit_code(server: Server) -> None:
    process, path = server
    asked = {code: ask(path, f"exit {code}".encode()) for code in range(20)}
    pids = {read(connection) for connection in asked.values()}
    assert len(pids - {process.pid}) == 20
    for code, connection in asked.items():
        assert read(connection) == code
        connection.close()


def test_a_process_that_is_killed_tells_the_signal(server: Server) -> None:
    with ask(server[1], b"wait") as connection:
        os.kill(read(connection), signal.SIGKILL)
        assert read(connection) == -signal.SIGKILL


def test_who_hangs_up_ends_the_process_and_no_other(server: Server) -> None:
    process, path = server
    with ask(path, b"wait") as kept:
        pid = read(kept)
        with ask(path, b"wait") as dropped:
            other = psutil.Process(read(dropped))
        other.wait(LONG_S)
        assert psutil.Process(pid).ppid() == process.pid
        os.kill(pid, signal.SIGTERM)
        assert read(kept) == -signal.SIGTERM


def test_the_server_stays_until_all_have_ended(server: Server) -> None:
    process, path = server
    with ask(path, b"wait") as connection:
        pid = read(connection)
        assert process.stdin is not None
        process.stdin.close()
        with ask(path, b"exit 3") as late:  # it waits for the process, and listens
            read(late)
            assert read(late) == 3
        assert process.poll() is None
        os.kill(pid, signal.SIGTERM)
        assert read(connection) == -signal.SIGTERM
    assert process.wait(LONG_S) == 0
