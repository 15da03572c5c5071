"""The state file of a running stack: its process, and where its parts listen."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from livetrap.stack.errors import StackError

__all__ = [
    "StackState",
    "describe_links",
    "read_running",
    "remove_state",
    "started_at",
    "write_state",
]

_CLOCK_STEP_S = 2.0


@dataclass(frozen=True, slots=True)
class StackState:
    """What other commands need to know about a running stack.

    Parameters
    ----------
    pid : int
        Of supervisord.
    time_started : float
        When that process began [unix s]; distinguishes it from a later one with the same pid.
    socket : str
        Path of supervisord's unix socket.
    kafka : str
        Bootstrap servers.
    postgres_url : str
        Address with user and password.
    api_url : str
        Web UI and REST.
    vtp_host : str
        Where a program on this machine reaches the VOEvent server.
    vtp_port : int
        Its port.
    own_ports : list of int
        Every port that must be free again after a stop.
    own_servers : list of str
        Which of ``kafka`` and ``postgres`` were started here.
    kafka_cluster_id : str, optional
        Id of the cluster; None: any.
    public_url : str or None
        Public address of the API, for links in alerts; None: unknown.
    """

    pid: int
    time_started: float
    socket: str
    kafka: str
    postgres_url: str
    api_url: str
    vtp_host: str
    vtp_port: int
    own_ports: list[int]
    own_servers: list[str]
    kafka_cluster_id: str | None = None
    public_url: str | None = None

    def is_alive(self) -> bool:
        """Return whether the process of this state still runs, and is not another one."""
        began = started_at(self.pid)
        return began is not None and abs(began - self.time_started) < _CLOCK_STEP_S

    def environment(self) -> dict[str, str]:
        """Return the settings by which a client finds this stack."""
        cluster_id = self.kafka_cluster_id
        own_cluster = {} if cluster_id is None else {"LIVETRAP_KAFKA__CLUSTER_ID": cluster_id}
        return own_cluster | {
            "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": self.kafka,
            "LIVETRAP_POSTGRES__URL": self.postgres_url,
            "LIVETRAP_API__PORT": self.api_url.rstrip("/").rsplit(":", 1)[1],
            "LIVETRAP_VTP__PORT": str(self.vtp_port),
        }


def describe_links(public_url: str | None) -> str:
    """Return where the links in alerts lead, or how to have some."""
    return public_url or "none: LIVETRAP_ALERT__PUBLIC_URL is not set"


def started_at(pid: int) -> float | None:
    """Return when a living process began [unix s]; None if there is none."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time()
    except psutil.NoSuchProcess:
        return None


def write_state(data_dir: Path, state: StackState) -> None:
    """Write the state in one step; only its owner can read it (it holds a password)."""
    path = _path(data_dir)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def read_running(data_dir: Path) -> StackState | None:
    """Return the state of the stack that runs in a data folder; None if none runs.

    Parameters
    ----------
    data_dir : Path
        The data folder; may be missing.

    Returns
    -------
    StackState or None
        A state left behind by a dead process counts as none.

    Raises
    ------
    StackError
        If the file cannot be read or understood.
    """
    path = _path(data_dir)
    try:
        state = StackState(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise StackError(
            f"{data_dir} is no folder: choose one with --data-dir, or LIVETRAP_DATA_DIR"
        ) from error
    except PermissionError as error:
        raise StackError(
            f"the stack in {data_dir} is another account's: ask as that account, or choose "
            "another folder with --data-dir"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise StackError(
            f"cannot read {path}: {error}; if nothing runs in {data_dir}, delete that file"
        ) from error
    return state if state.is_alive() else None


def remove_state(data_dir: Path) -> None:
    """Delete the state file of a stack that stopped."""
    _path(data_dir).unlink(missing_ok=True)


def _path(data_dir: Path) -> Path:
    return data_dir / "state.json"
