"""supervisord that gives no program up, and that a full log disk does not end.

``python -m livetrap.stack.supervisord`` is supervisord with three differences: a program that
ends is started again for ever with a bounded pause; log lines that cannot be written are dropped
and counted; and the method ``livetrap.programs`` tells which programs are down, and since when.
"""

import json
import time
from pathlib import Path
from typing import Any

from supervisor import events, loggers
from supervisor import supervisord as stock
from supervisor.dispatchers import PInputDispatcher, POutputDispatcher
from supervisor.options import ProcessConfig, ServerOptions
from supervisor.process import Subprocess
from supervisor.states import ProcessStates, getProcessStateDescription

from livetrap.stack.log_file import LossyLogFile
from livetrap.stack.restarts import ExitSeries, RestartPolicy, describe_exit

__all__ = ["main", "make_interface"]

_FORMAT = "%(asctime)s %(levelname)s %(message)s\n"


def main() -> None:
    """Run supervisord until SIGTERM."""
    options = _Options()
    options.realize(doc=stock.__doc__)
    options.first = True
    options.test = False
    stock.go(options)
    options.close_httpservers()
    options.close_logger()


def make_interface(supervisord: Any, **policy: str) -> "_Interface":
    """Return the methods ``livetrap.*``; supervisord.conf names this function.

    Parameters
    ----------
    supervisord : supervisor.supervisord.Supervisor
        The running one.
    **policy : str
        Fields of `RestartPolicy`, from the same section of the file.
    """
    chosen = RestartPolicy(**{name: float(value) for name, value in policy.items()})
    interface = _Interface(supervisord)
    for process in interface.restarted():
        process.series = ExitSeries(chosen, is_server=process.group.config.name == "servers")
    return interface


class _Interface:
    """Methods of XML-RPC under the name ``livetrap``."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def programs(self) -> str:
        """Return the state of every program as JSON."""
        dropped = self._supervisord.options.log_file.lines_dropped
        return json.dumps(
            {
                "programs": [_describe(process) for process in self._processes()],
                "log_lines_dropped": dropped,
            }
        )

    def restarted(self) -> list["_RestartedProcess"]:
        """Return the programs that are started again when they end."""
        return [item for item in self._processes() if isinstance(item, _RestartedProcess)]

    def _processes(self) -> list[Any]:
        groups = self._supervisord.process_groups.values()
        return [process for group in groups for process in group.processes.values()]


def _describe(process: Any) -> dict[str, object]:
    """Return what `livetrap.programs` says of one program."""
    return {
        "name": process.config.name,
        "group": process.group.config.name,
        "state": getProcessStateDescription(process.state),
        "pid": process.pid,
        "log_lines_dropped": process.config.log_file.lines_dropped,
        **(process.exits() if isinstance(process, _RestartedProcess) else {}),
    }


class _LogHandler(loggers.Handler):  # type: ignore[misc]  # supervisor has no types
    """A handler of supervisor's loggers that writes to a `LossyLogFile`."""

    def __init__(self, file: LossyLogFile, template: str) -> None:
        super().__init__()
        self._file = file
        self.setFormat(template)

    def emit(self, record: Any) -> None:
        """Write a record: the bytes of a program as they are, our own words in the template."""
        if isinstance(record.msg, bytes):
            self._file.write(record.msg)
        else:
            self._file.write((self.fmt % record.asdict()).encode(errors="replace"))

    def close(self) -> None:
        """Close the file; it opens again when it is needed."""
        self._file.close()

    reopen = close
    remove = close


def _logger(file: LossyLogFile, *, level: int, template: str = "%(message)s") -> Any:
    logger = loggers.Logger(level)
    handler = _LogHandler(file, template)
    handler.setLevel(level)
    logger.addHandler(handler)
    return logger


class _OutputDispatcher(POutputDispatcher):  # type: ignore[misc]  # supervisor has no types
    """Takes what a program prints to the log file of its program."""

    def _init_normallog(self) -> None:
        log_file = self.process.config.log_file
        self.normallog = _logger(log_file, level=loggers.LevelsByName.INFO)


class _RestartedProcess(Subprocess):  # type: ignore[misc]  # supervisor has no types
    """A program that is started again however it ends."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.series = ExitSeries(RestartPolicy())
        self._spawned_s = time.monotonic()
        self._how = ""

    def exits(self) -> dict[str, object]:
        """Return since when it is down, and why."""
        series, is_running = self.series, self.state == ProcessStates.RUNNING
        if is_running:
            series.forget_if_steady(self._ran_s())
        return {
            "is_restarted": True,
            "down_since_unix_s": series.down_since_unix_s(is_running=is_running),
            "n_exits": series.n_exits,
            "last_exit": series.last_exit or None,
            "next_start_unix_s": self.delay if self.state == ProcessStates.BACKOFF else None,
        }

    def spawn(self) -> Any:
        """Start it; a start that fails counts as an exit."""
        self._spawned_s = time.monotonic()
        self._how = ""
        return super().spawn()

    def finish(self, pid: int, sts: int) -> None:
        """Count an exit, whatever its code, and begin the pause before the next start."""
        self._how = describe_exit(sts)
        super().finish(pid, sts)
        if self.state == ProcessStates.EXITED:
            self.change_state(ProcessStates.BACKOFF)

    def change_state(self, new_state: int, expected: bool = True) -> Any:  # noqa: FBT001, FBT002  (supervisor's signature)
        """Set the pause when one begins: supervisor's own grows without bound."""
        changed = super().change_state(new_state, expected)
        if new_state == ProcessStates.BACKOFF:
            now_unix_s = time.time()
            how = self._how or str(self.spawnerr)
            pause_s = self.series.add(how, ran_s=self._ran_s(), now_unix_s=now_unix_s)
            # Both: supervisor takes a longer delay than `backoff` for a clock that was set back.
            self.backoff = pause_s
            self.delay = now_unix_s + pause_s
        return changed

    def _ran_s(self) -> float:
        return time.monotonic() - self._spawned_s


class _ProgramConfig(ProcessConfig):  # type: ignore[misc]  # supervisor has no types
    """A program of supervisord.conf, with its log file."""

    def __init__(self, options: Any, **parameters: Any) -> None:
        super().__init__(options, **parameters)
        self.log_file = LossyLogFile(
            Path(self.stdout_logfile),
            max_bytes=self.stdout_logfile_maxbytes,
            backups=self.stdout_logfile_backups,
        )

    def make_process(self, group: Any = None) -> Any:
        """Return the program; one that is not to run for ever stays with supervisor's rules."""
        process = (_RestartedProcess if self.autorestart else Subprocess)(self)
        process.group = group
        return process

    def make_dispatchers(self, proc: Any) -> tuple[dict[int, Any], dict[str, Any]]:
        """Return the readers of its pipes; standard error goes where standard output goes."""
        pipes = self.options.make_pipes(stderr=False)
        event = events.ProcessCommunicationStdoutEvent
        readers = {
            pipes["stdout"]: _OutputDispatcher(proc, event, pipes["stdout"]),
            pipes["stdin"]: PInputDispatcher(proc, "stdin", pipes["stdin"]),
        }
        return readers, pipes


class _Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """supervisord.conf, read into the classes above."""

    def _processes_from_section(
        self, parser: Any, section: str, group_name: str, _klass: Any = None
    ) -> Any:
        return super()._processes_from_section(parser, section, group_name, _ProgramConfig)

    def make_logger(self) -> None:
        """Open supervisord's own log."""
        self.log_file = LossyLogFile(
            Path(self.logfile), max_bytes=self.logfile_maxbytes, backups=self.logfile_backups
        )
        self.logger = _logger(self.log_file, level=self.loglevel, template=_FORMAT)
        for message in [*self.parse_criticals, *self.parse_warnings]:
            self.logger.log(loggers.LevelsByName.WARN, message)


if __name__ == "__main__":
    # By its own name: supervisord.conf names `make_interface`, which must see the same classes.
    from livetrap.stack.supervisord import main as main_by_name

    main_by_name()
