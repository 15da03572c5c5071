"""Two stacks choose different ports; one has stopped when its own processes have left them."""

import os
import socket
import subprocess
import sys

import pytest

from livetrap.stack.ports import choose_port, wait_until_left

LISTEN = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
input()
"""

CHOOSE = """
import sys
from livetrap.stack.ports import choose_port
print(choose_port(int(sys.argv[1]), taken=set()), flush=True)
input()
"""


def choose_elsewhere(default: int) -> subprocess.Popen[bytes]:
    """Start a process that chooses a port, prints it and waits."""
    command = [sys.executable, "-c", CHOOSE, str(default)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def chosen(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="claims are names of Linux")
def test_stacks_that_start_at_once_choose_different_ports() -> None:
    port = choose_port(None, taken=set())  # nobody listens there yet
    with choose_elsewhere(port) as other:
        assert chosen(other) != port
        other.kill()
    assert choose_port(port, taken=set()) == port


def test_a_process_that_was_killed_claims_nothing() -> None:
    with choose_elsewhere(choose_port(None, taken=set()) + 1) as other:
        port = chosen(other)
        other.kill()
    assert choose_port(port, taken=set()) == port


def test_a_port_that_another_program_took_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as another:
        port = another.getsockname()[1]
        assert wait_until_left([port], supervisor="/a/supervisor.sock", timeout_s=60) == []


def test_a_process_of_the_stack_that_stays_is_found() -> None:
    ours = os.environ | {"SUPERVISOR_SERVER_URL": "unix:///a/supervisor.sock"}
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN], env=ours, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        supervisor = "/a/supervisor.sock"
        assert wait_until_left([port], supervisor=supervisor, timeout_s=0) == [port]
        assert wait_until_left([port], supervisor="/another.sock", timeout_s=0) == []
        process.stdin.close()
        assert wait_until_left([port], supervisor=supervisor, timeout_s=60) == []
