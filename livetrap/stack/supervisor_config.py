"""The text of supervisord.conf: which programs run, in which order, and where they log."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from livetrap.stack.restarts import RestartPolicy

__all__ = ["GROUPS", "Program", "config_text", "socket_fits"]

# Started in this order and stopped in the reverse one.
GROUPS = ("servers", "services", "feed")
_FOR_EVER = 10**9
# supervisord binds to the path plus its pid, and AF_UNIX paths end at 107 bytes.
_LONGEST_SOCKET_BYTES = 90


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process.

    Parameters
    ----------
    name : str
        Its name in ``livetrap status`` and of its log file.
    group : str
        One of `GROUPS`.
    command : tuple of str
        Program and arguments.
    autostart : bool
        Start together with supervisord.
    autorestart : bool
        Start again when it ends.
    stop_signal : str
        Signal that stops it, such as ``TERM``.
    stop_wait_s : int
        Time to stop before it is killed [s].
    whole_group : bool
        Send the stop signal to its children too.
    environment : tuple of (str, str)
        Variables of this program alone.
    """

    name: str
    group: str
    command: tuple[str, ...]
    autostart: bool = False
    autorestart: bool = True
    stop_signal: str = "TERM"
    stop_wait_s: int = 15
    whole_group: bool = False
    environment: tuple[tuple[str, str], ...] = ()


def socket_fits(path: Path) -> bool:
    """Return whether a unix socket can have this path."""
    return len(os.fsencode(path)) <= _LONGEST_SOCKET_BYTES


def config_text(
    programs: tuple[Program, ...], *, socket: Path, policy: RestartPolicy | None = None
) -> str:
    """Return supervisord.conf for the folder that the file will stand in.

    Parameters
    ----------
    programs : tuple of Program
        What to run.
    socket : Path
        Where supervisord listens.
    policy : RestartPolicy, optional
        Pauses before a program that ended starts again.

    Returns
    -------
    str
        Text of the file; it contains no secret.
    """
    sections = [_daemon_section(socket, policy or RestartPolicy())]
    for priority, group in enumerate(GROUPS, start=1):
        members = [program.name for program in programs if program.group == group]
        if members:
            names = ",".join(members)
            sections.append(f"[group:{group}]\nprograms={names}\npriority={priority * 100}\n")
    sections += [_program_section(program) for program in programs]
    return "\n".join(sections)


def _daemon_section(socket: Path, policy: RestartPolicy) -> str:
    """Return the sections about supervisord itself."""
    user = "user=root\n" if os.geteuid() == 0 else ""
    return f"""\
[unix_http_server]
file={_escape(str(socket))}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[rpcinterface:livetrap]
supervisor.rpcinterface_factory=livetrap.stack.supervisord:make_interface
max_delay_s={policy.max_delay_s}
steady_after_s={policy.steady_after_s}
server_steady_after_s={policy.server_steady_after_s}

[supervisord]
nodaemon=true
{user}logfile=%(here)s/logs/supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s/logs
"""


def _program_section(program: Program) -> str:
    """Return the section of one program."""
    variables = ",".join(f'{name}="{_escape(value)}"' for name, value in program.environment)
    return f"""\
[program:{program.name}]
command={_escape(shlex.join(program.command))}
environment={variables}
autostart={_word(on=program.autostart)}
autorestart={_word(on=program.autorestart)}
startsecs=1
startretries={_FOR_EVER if program.autorestart else 0}
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_wait_s}
stopasgroup={_word(on=program.whole_group)}
killasgroup=true
redirect_stderr=true
stdout_logfile=%(here)s/logs/{program.name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _escape(text: str) -> str:
    """Keep supervisord from expanding a text or reading a comment into it."""
    return text.replace("%", "%%")


def _word(*, on: bool) -> str:
    return "true" if on else "false"
