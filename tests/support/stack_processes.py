"""The processes of a running stack, found by their command lines: supervisord's children."""

from contextlib import suppress

import psutil

__all__ = ["SERVICES", "StackProcesses", "SupervisorDiedError"]

SERVICES = ("extract", "associate", "alert", "distribute", "api")
_SERVERS = {"kafka": "kafka.Kafka", "postgres": "/postgres"}


class SupervisorDiedError(Exception):
    """Nothing starts the services again: the run is over."""


class StackProcesses:
    """Processes by name: those of `SERVICES`, ``kafka``, ``postgres``.

    Parameters
    ----------
    any_pid : int
        Of any service of the stack, when it runs.
    """

    def __init__(self, any_pid: int) -> None:
        supervisord = psutil.Process(any_pid).parent()
        assert supervisord is not None, "the service has no supervisor"
        self.supervisord = supervisord

    def all(self) -> dict[int, tuple[str, psutil.Process]]:
        """Return name and process of each that runs, by pid; starters are none yet."""
        found = {}
        if not self.supervisord.is_running():
            raise SupervisorDiedError("supervisord has ended; see logs/supervisord.out")
        for child in self.supervisord.children():
            with suppress(psutil.Error):
                name = _name(child.cmdline())
                if name and child.status() != psutil.STATUS_ZOMBIE:
                    found[child.pid] = (name, child)
        return found

    def of(self, name: str) -> list[psutil.Process]:
        return [process for each, process in self.all().values() if each == name]


def _name(command: list[str]) -> str | None:
    if "livetrap.stack.child" in command:
        return None
    for name, word in _SERVERS.items():
        if any(each.endswith(word) for each in command[:20]):
            return name
    if "service" in command and command[-1] in SERVICES:
        return command[-1]
    return None
