"""A stack has stopped when its own processes have left their ports, whoever takes them then."""

import os
import socket
import subprocess
import sys

from livetrap.stack.ports import wait_until_left

LISTEN = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
input()
"""


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
