"""Start the stack of a data folder, and stop it."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from livetrap.database.migrations import migrate
from livetrap.stack.errors import StackError
from livetrap.stack.paths import make_data_dir, plain_path
from livetrap.stack.plan import Plan, UpOptions, make_plan
from livetrap.stack.ports import wait_until_left
from livetrap.stack.programs import Prepared, environment_of, prepare
from livetrap.stack.readiness import READY_TIMEOUT_S, wait_for_servers, wait_for_services
from livetrap.stack.state import StackState, read_running, remove_state, started_at, write_state
from livetrap.stack.supervisor import Supervisor, launch, stop_process
from livetrap.stack.supervisor_config import config_text, socket_fits
from runtime.errors import SettingsError
from runtime.settings import load_settings

__all__ = ["RunningStack", "choose_socket", "start", "stop", "stop_started"]

_LOCK_POLL_S = 0.2
_STOP_TIMEOUT_S = 60.0
_PORT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that this process started.

    Parameters
    ----------
    state : StackState
        Its addresses.
    supervisor : Supervisor
        Lists and starts its programs.
    process : subprocess.Popen
        Of supervisord.
    """

    state: StackState
    supervisor: Supervisor
    process: subprocess.Popen[bytes]


def start(options: UpOptions, *, detach: bool, report: Callable[[str], None]) -> RunningStack:
    """Start all programs and wait until they are ready.

    Parameters
    ----------
    options : UpOptions
        The command line.
    detach : bool
        Leave the stack running when this process ends; otherwise it ends with it.
    report : callable
        Called with a line for each step.

    Returns
    -------
    RunningStack
        Ready to work.

    Raises
    ------
    SettingsError
        If a stack runs in this data folder already, or a port is in use.
    StackError
        If a part does not start; all others are stopped again.
    """
    data_dir = options.data_dir
    _refuse_second(data_dir)
    make_data_dir(data_dir)
    data_dir = plain_path(data_dir)
    options = replace(options, data_dir=data_dir)
    with _only_starter(data_dir):
        _refuse_second(data_dir)
        with _one_start_at_a_time(report):
            plan = make_plan(options)
            (data_dir / "logs").mkdir(exist_ok=True)
            report(f"data folder {data_dir}")
            prepared = prepare(options, plan, report=report)
            # For the programs and for this command; the environment wins over the file.
            os.environ.update(environment_of(plan, prepared, data_dir))
            return _launch(data_dir, plan, prepared, detach=detach, report=report)


def stop(data_dir: Path) -> bool:
    """Stop the stack of a data folder and wait until it has left its ports.

    Parameters
    ----------
    data_dir : Path
        The data folder.

    Returns
    -------
    bool
        False if none was running.

    Raises
    ------
    StackError
        If one of its processes does not leave its port.
    """
    state = read_running(data_dir)
    if state is None:
        remove_state(data_dir)
        return False
    stop_process(state.pid, timeout_s=_STOP_TIMEOUT_S)
    in_use = wait_until_left(state.own_ports, supervisor=state.socket, timeout_s=_PORT_TIMEOUT_S)
    _remove_traces(data_dir, Path(state.socket))
    if in_use:
        raise StackError(
            f"a process of this stack still listens on port {', '.join(map(str, in_use))}; "
            "`ss -ltnp` shows which: kill it"
        )
    return True


def stop_started(data_dir: Path, running: RunningStack) -> None:
    """Stop a stack that this process started; a second Ctrl-C does not interrupt that."""
    with _signals_ignored():
        stop(data_dir)
        running.process.wait()


def _launch(
    data_dir: Path,
    plan: Plan,
    prepared: Prepared,
    *,
    detach: bool,
    report: Callable[[str], None],
) -> RunningStack:
    """Start supervisord and its programs in order; if one fails, stop them all."""
    socket = choose_socket(data_dir)
    os.environ["LIVETRAP_API__SUPERVISOR"] = str(socket)
    config = data_dir / "supervisord.conf"
    config.write_text(config_text(prepared.programs, socket=socket), encoding="utf-8")
    process = launch(config, environment=os.environ, detach=detach)
    try:
        supervisor = Supervisor(str(socket), data_dir / "logs")
        supervisor.wait_until_answering(process, timeout_s=READY_TIMEOUT_S)
        state = _new_state(process.pid, socket=socket, plan=plan)
        write_state(data_dir, state)
        wait_for_servers(supervisor, prepared)
        report("Kafka and PostgreSQL are ready; starting the services")
        _make_schema()
        supervisor.start_group("services")
        wait_for_services(supervisor, plan, prepared.programs)
        return RunningStack(state, supervisor, process)
    except BaseException:
        with _signals_ignored():
            stop_process(process.pid, timeout_s=_STOP_TIMEOUT_S)
            process.wait()
            _remove_traces(data_dir, socket)
        raise


def _new_state(pid: int, *, socket: Path, plan: Plan) -> StackState:
    """Describe the stack that was just launched."""
    settings = load_settings()
    public_url = settings.alert.public_url
    own = [("kafka", plan.kafka_url), ("postgres", plan.postgres_url)]
    return StackState(
        pid=pid,
        time_started=started_at(pid) or time.time(),
        socket=str(socket),
        kafka=settings.kafka.bootstrap_servers,
        postgres_url=settings.postgres.url.get_secret_value(),
        api_url=plan.api_url,
        vtp_host=plan.vtp_host,
        vtp_port=plan.vtp_port,
        own_ports=plan.own_ports,
        own_servers=[name for name, url in own if url is None],
        kafka_cluster_id=settings.kafka.cluster_id,
        public_url=None if public_url is None else str(public_url),
    )


def _make_schema() -> None:
    """Make tables and topics."""
    from runtime.kafka import ensure_topics  # noqa: PLC0415  (start-up time of other commands)

    settings = load_settings()
    migrate(settings.postgres.url.get_secret_value())
    ensure_topics(settings.kafka)


def _refuse_second(data_dir: Path) -> None:
    """Refuse to start where a stack runs."""
    state = read_running(data_dir)
    if state is not None:
        raise SettingsError(
            f"already running in {data_dir} ({state.api_url}); "
            "`livetrap down` stops it, or choose another --data-dir"
        )


@contextmanager
def _only_starter(data_dir: Path) -> Iterator[None]:
    """Let one process at a time start a stack in a data folder."""
    with (data_dir / "starting.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"another process is starting a stack in {data_dir}; wait until it is ready"
            ) from None
        yield


@contextmanager
def _one_start_at_a_time(report: Callable[[str], None]) -> Iterator[None]:
    """Let the stacks of a machine start one after the other: each sees the ports of the others.

    A start that has waited as long as another one may take begins all the same.
    """
    with _open_start_lock() as lock:
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        is_waiting = False
        while time.monotonic() < give_up_s:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not is_waiting:
                    report("another stack is starting; waiting for it to take its ports")
                is_waiting = True
                time.sleep(_LOCK_POLL_S)
        yield


def _open_start_lock() -> BinaryIO:
    """Open the file that every account locks; one's own where another has closed it to others.

    It is opened for reading: the kernel lets nobody write another account's file in a folder
    that all share.
    """
    folder = Path(tempfile.gettempdir())
    for name in ("livetrap-starting.lock", f"livetrap-{os.geteuid()}-starting.lock"):
        with suppress(OSError):  # it exists already, most of the time
            created = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            os.fchmod(created, 0o644)
            os.close(created)
        with suppress(OSError):
            # No link, and no pipe that waits for a writer.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            return os.fdopen(os.open(folder / name, flags), "rb")
    raise StackError(f"the lock {folder / name} cannot be opened; remove it")


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore requests to stop while stopping: a second Ctrl-C would leave half of it running."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(kind, signal.signal(kind, signal.SIG_IGN)) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in before:
            signal.signal(kind, handler)


def choose_socket(data_dir: Path) -> Path:
    """Return a path for supervisord's socket that the kernel accepts.

    Parameters
    ----------
    data_dir : Path
        Where it is, if its path is short enough; else it is in a temporary folder.
    """
    path = data_dir / "supervisor.sock"
    if socket_fits(path):
        path.unlink(missing_ok=True)
        return path
    temporary = tempfile.gettempdir()
    if not socket_fits(Path(temporary) / "livetrap-12345678" / "supervisor.sock"):
        temporary = "/tmp"  # noqa: S108  (mkdtemp makes a folder that only its owner can enter)
    return Path(tempfile.mkdtemp(prefix="livetrap-", dir=temporary)) / "supervisor.sock"


def _remove_traces(data_dir: Path, socket: Path) -> None:
    """Remove the files that only a running stack needs."""
    remove_state(data_dir)
    with suppress(FileNotFoundError):
        socket.unlink()
    if socket.parent.resolve() != data_dir.resolve():
        shutil.rmtree(socket.parent, ignore_errors=True)
