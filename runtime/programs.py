"""Which programs of a one-machine stack run, as its supervisord says."""

import json
import socket as socket_module
import xmlrpc.client
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from xml.parsers.expat import ExpatError

from runtime.errors import PipelineError

__all__ = ["Program", "Programs", "SupervisorError", "read_programs"]

_TIMEOUT_S = 15.0


class SupervisorError(PipelineError):
    """supervisord does not answer."""


@dataclass(frozen=True, slots=True)
class Program:
    """State of one program.

    Parameters
    ----------
    name : str
        Of the program.
    group : str
        ``servers``, ``services`` or ``feed``.
    state : str
        ``RUNNING``, ``STARTING``, ``BACKOFF``, ``STOPPED``, ...
    pid : int
        Of the process; 0 if there is none.
    log_lines_dropped : int
        Lines that could not be written to its log.
    is_restarted : bool
        It is started again whenever it ends.
    down_since_unix_s : float or None
        When it ended first, if it has not run steadily since [unix s]; 0: it never started.
    n_exits : int
        How often it ended since it last ran steadily.
    last_exit : str or None
        Exit code or signal of the last exit.
    next_start_unix_s : float or None
        When it is started again [unix s].
    """

    name: str
    group: str
    state: str
    pid: int
    log_lines_dropped: int
    is_restarted: bool = False
    down_since_unix_s: float | None = None
    n_exits: int = 0
    last_exit: str | None = None
    next_start_unix_s: float | None = None

    @property
    def is_down(self) -> bool:
        """Whether it should run and does not, or keeps ending; not one that was never asked to."""
        never_started = self.state == "STOPPED" and self.down_since_unix_s == 0
        return self.is_restarted and self.down_since_unix_s is not None and not never_started

    @property
    def down_since(self) -> datetime | None:
        """When it went down."""
        return _to_time(self.down_since_unix_s)

    @property
    def next_start(self) -> datetime | None:
        """When it is started again."""
        return _to_time(self.next_start_unix_s)

    def describe(self) -> str:
        """Return what is known of a program that is down, in words."""
        words = self.name
        if self.down_since is not None:
            words += f" is down since {self.down_since:%Y-%m-%dT%H:%M:%SZ}"
            words += f" ({self.last_exit}, {self.n_exits} in a row)"
        else:
            words += f" is not running ({self.state.lower()})"
        return words


@dataclass(frozen=True, slots=True)
class Programs:
    """All programs of a stack, and what supervisord could not log itself.

    Parameters
    ----------
    items : list of Program
        In the order of their groups.
    log_lines_dropped : int
        Lines of supervisord's own log that could not be written.
    """

    items: list[Program]
    log_lines_dropped: int


def read_programs(socket: str) -> Programs:
    """Ask supervisord for the state of its programs.

    Parameters
    ----------
    socket : str
        Path of its unix socket.

    Returns
    -------
    Programs
        The programs.

    Raises
    ------
    SupervisorError
        If it does not answer.
    """
    connection = _UnixConnection(socket)
    try:
        connection.request(
            "POST",
            "/RPC2",
            body=xmlrpc.client.dumps((), "livetrap.programs"),
            headers={"Content-Type": "text/xml"},
        )
        ((text,), _) = xmlrpc.client.loads(connection.getresponse().read().decode())
    except (OSError, HTTPException, ExpatError, xmlrpc.client.Error) as error:
        raise SupervisorError(f"supervisord does not answer on {socket}: {error!r}") from error
    finally:
        connection.close()
    content = json.loads(str(text))
    return Programs(
        [Program(**item) for item in content["programs"]], content["log_lines_dropped"]
    )


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        # Kept at once: `close` closes it even if the connection fails.
        self.sock = socket_module.socket(socket_module.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _to_time(unix_s: float | None) -> datetime | None:
    return datetime.fromtimestamp(unix_s, UTC) if unix_s else None
