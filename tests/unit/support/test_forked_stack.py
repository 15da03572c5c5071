"""Programs that supervisord forks are what it would have executed."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from livetrap.stack.child import bind_to_parent
from livetrap.stack.restarts import RestartPolicy
from livetrap.stack.supervisor_config import Program
from tests.support.forked import can_fork
from tests.support.forked_stack import launch_forked
from tests.support.supervised import shell, supervised

pytestmark = pytest.mark.skipif(not can_fork(), reason="coverage counts no forks")
QUICK = RestartPolicy(max_delay_s=0.01, steady_after_s=600)


def livetrap(name: str, *arguments: str) -> Program:
    """Return a command of ours, as a stack runs its services."""
    command = [sys.executable, "-m", "livetrap", *arguments]
    bound = bind_to_parent(command, death_signal=signal.SIGKILL)
    own = (("LIVETRAP_KAFKA__INSTANCE_ID", name),)
    return Program(name, "services", tuple(bound), autostart=True, environment=own)


def test_a_command_prints_and_ends_as_with_an_interpreter_of_its_own() -> None:
    wrong = livetrap("wrong", "no-such-command")
    shown = livetrap("shown", "settings")
    with supervised(wrong, shown, policy=QUICK, start=launch_forked) as running:
        states = running.wait_for(
            lambda states: all(states[each].n_exits for each in ("wrong", "shown"))
        )
        assert states["wrong"].last_exit == "exit code 2"
        assert states["shown"].last_exit == "exit code 0"
        assert "no-such-command" in (running.logs / "wrong.log").read_text()
        log = (running.logs / "shown.log").read_text()
        assert "child process was not spawned" not in log
        (line,) = {each for each in log.splitlines() if "KAFKA__INSTANCE_ID" in each}
        assert "shown" in line


def test_a_service_is_started_again_and_ends_with_its_supervisor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVETRAP_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")  # it waits for Kafka
    monkeypatch.setenv("LIVETRAP_INGEST__INBOX", str(tmp_path))
    programs = livetrap("ingest", "service", "ingest"), shell("other", "exec sleep 600")
    with supervised(*programs, policy=QUICK, start=launch_forked) as running:
        states = running.wait_for(
            lambda now: all(each.state == "RUNNING" for each in now.values())
        )
        for state in states.values():
            assert psutil.Process(state.pid).ppid() == running.pid
            os.kill(state.pid, signal.SIGKILL)
        again = running.wait_for(
            lambda now: all(
                each.state == "RUNNING" and each.last_exit == "killed by SIGKILL"
                for each in now.values()
            )
        )
        service = psutil.Process(again["ingest"].pid)
        os.kill(running.pid, signal.SIGKILL)
        service.wait(60)
        psutil.Process(again["other"].pid).kill()
