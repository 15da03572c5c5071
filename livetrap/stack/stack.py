"""Bring the whole service up on this machine, and take it down again."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from livetrap.operator.migrations import migrate
from livetrap.stack.child import wrap
from livetrap.stack.errors import StackError
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.paths import make_data_dir
from livetrap.stack.plan import Plan, UpOptions, make_plan
from livetrap.stack.ports import is_listening, wait_until_free
from livetrap.stack.postgres_server import PostgresServer, open_server
from livetrap.stack.state import StackState, read_running, remove_state, started_at, write_state
from livetrap.stack.supervisor import Supervisor, launch, stop_process
from livetrap.stack.supervisor_config import Program, config_text, socket_fits
from runtime.errors import SettingsError
from runtime.settings import load_settings

__all__ = ["SERVICES", "RunningStack", "is_api_ready", "start", "stop", "stop_started"]

SERVICES = ("extract", "associate", "alert", "api")
_READY_TIMEOUT_S = 90.0
# A service that still falls over after this is broken, not unlucky.
_RETRY_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 60.0
_PORT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that was started by this process.

    Parameters
    ----------
    state : StackState
        Where its parts are.
    supervisor : Supervisor
        Asks and starts programs.
    process : subprocess.Popen
        Of supervisord.
    """

    state: StackState
    supervisor: Supervisor
    process: subprocess.Popen[bytes]


def start(options: UpOptions, *, detach: bool, tell: Callable[[str], None]) -> RunningStack:
    """Start everything and wait until it is ready.

    Parameters
    ----------
    options : UpOptions
        What to start.
    detach : bool
        Let it outlive this process; otherwise it dies with it.
    tell : callable
        Gets a line for each step.

    Returns
    -------
    RunningStack
        Ready to work.

    Raises
    ------
    SettingsError
        If a stack runs in this data folder already, or a port is busy.
    StackError
        If a part does not start; everything was stopped again.
    """
    data_dir = options.data_dir
    _refuse_second(data_dir)
    make_data_dir(data_dir)
    with _only_starter(data_dir):
        _refuse_second(data_dir)
        plan = make_plan(options)
        (data_dir / "logs").mkdir(exist_ok=True)
        tell(f"data folder {data_dir}")
        kafka, postgres, programs = _prepare(options, plan, tell=tell)
        environment = _environment(plan, postgres, data_dir)
        os.environ.update(environment)  # of the programs, and of this command; beats the file
        socket = _socket_path(data_dir)
        config = data_dir / "supervisord.conf"
        config.write_text(config_text(programs, socket=socket), encoding="utf-8")
        process = launch(config, environment=os.environ, detach=detach)
        try:
            supervisor = Supervisor(str(socket), data_dir / "logs")
            supervisor.wait_until_answering(process, timeout_s=_READY_TIMEOUT_S)
            state = _new_state(process.pid, socket=socket, plan=plan, environment=environment)
            write_state(data_dir, state)
            _wait_for_servers(supervisor, kafka, postgres)
            tell("Kafka and PostgreSQL are ready; starting the services")
            _make_schema()
            supervisor.start_group("services")
            _wait_for_services(supervisor, plan, programs)
            return RunningStack(state, supervisor, process)
        except BaseException:
            with _signals_ignored():
                stop_process(process.pid, timeout_s=_STOP_TIMEOUT_S)
                process.wait()
                _forget(data_dir, socket)
            raise


def stop(data_dir: Path) -> bool:
    """Stop the stack of a data folder and wait until its ports are free.

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
        If a port is still held afterwards.
    """
    state = read_running(data_dir)
    if state is None:
        remove_state(data_dir)
        return False
    stop_process(state.pid, timeout_s=_STOP_TIMEOUT_S)
    held = wait_until_free(state.own_ports, timeout_s=_PORT_TIMEOUT_S)
    _forget(data_dir, Path(state.socket))
    if held:
        raise StackError(
            f"stopped, but somebody still holds port {', '.join(map(str, held))}; "
            "`ss -ltnp` tells who"
        )
    return True


def stop_started(data_dir: Path, running: RunningStack) -> None:
    """Stop a stack that this process started; a second Ctrl-C does not disturb it."""
    with _signals_ignored():
        stop(data_dir)
        running.process.wait()


def _prepare(
    options: UpOptions, plan: Plan, *, tell: Callable[[str], None]
) -> tuple[KafkaBroker | None, PostgresServer | None, tuple[Program, ...]]:
    """Make the servers' files and list every program."""
    kafka, postgres = None, None
    programs: list[Program] = []
    if plan.kafka_url is None:
        folder = options.data_dir / "kafka"
        kafka = KafkaBroker(folder, port=plan.kafka_port, controller_port=plan.controller_port)
        jars = fetch_jars()
        tell("starting Apache Kafka")
        kafka.prepare(jars)
        programs.append(_kafka_program(kafka, jars))
    if plan.postgres_url is None:
        tell("starting PostgreSQL")
        postgres = open_server(options.data_dir, port=plan.postgres_port)
        postgres.prepare()
        programs.append(_postgres_program(postgres))
    programs += _service_programs(options.extractors)
    return kafka, postgres, (*programs, *options.extra_programs)


def _kafka_program(kafka: KafkaBroker, jars: Path) -> Program:
    """Supervise the broker."""
    command = wrap(kafka.command(jars), death_signal=signal.SIGTERM)
    return Program("kafka", "servers", tuple(command), autostart=True, stop_wait_s=30)


def _postgres_program(postgres: PostgresServer) -> Program:
    """Supervise the database; INT is its fast shutdown."""
    command = wrap(postgres.command(), death_signal=signal.SIGINT, user=postgres.account)
    return Program(
        "postgres", "servers", tuple(command), autostart=True, stop_signal="INT", stop_wait_s=30
    )


def _service_programs(extractors: int) -> list[Program]:
    """Supervise the services; extractors are numbered where there are several."""
    numbers = [""] if extractors == 1 else [f"-{number + 1}" for number in range(extractors)]
    names = [(f"extract{number}", "extract") for number in numbers]
    names += [(name, name) for name in SERVICES if name != "extract"]
    return [
        Program(
            program,
            "services",
            tuple(
                wrap(
                    [sys.executable, "-m", "livetrap", "service", service],
                    death_signal=signal.SIGKILL,
                )
            ),
            # A name in its Kafka group, so that a restarted service has its partitions at once.
            environment=(("LIVETRAP_KAFKA__INSTANCE_ID", program),),
        )
        for program, service in names
    ]


def _environment(plan: Plan, postgres: PostgresServer | None, data_dir: Path) -> dict[str, str]:
    """Return the settings every program of this stack gets."""
    postgres_url = plan.postgres_url if postgres is None else postgres.url
    return {
        "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": plan.kafka_url or f"127.0.0.1:{plan.kafka_port}",
        "LIVETRAP_POSTGRES__URL": str(postgres_url),
        "LIVETRAP_API__PORT": str(plan.api_port),
        "LIVETRAP_VTP__PORT": str(plan.vtp_port),
        "LIVETRAP_STATE_DIR": str(data_dir / "state"),
    }


def _new_state(pid: int, *, socket: Path, plan: Plan, environment: dict[str, str]) -> StackState:
    """Describe the stack that was just launched."""
    own = [("kafka", plan.kafka_url), ("postgres", plan.postgres_url)]
    return StackState(
        pid=pid,
        time_started=started_at(pid) or time.time(),
        socket=str(socket),
        kafka=environment["LIVETRAP_KAFKA__BOOTSTRAP_SERVERS"],
        postgres_url=environment["LIVETRAP_POSTGRES__URL"],
        api_url=plan.api_url,
        vtp_host=plan.vtp_host,
        vtp_port=plan.vtp_port,
        own_ports=plan.own_ports,
        own_servers=[name for name, url in own if url is None],
    )


def _wait_for_servers(
    supervisor: Supervisor, kafka: KafkaBroker | None, postgres: PostgresServer | None
) -> None:
    """Wait for the servers that were started here."""
    if postgres is not None:
        postgres.wait_until_ready(assert_alive=lambda: supervisor.assert_alive("postgres"))
    if kafka is not None:
        kafka.wait_until_ready(assert_alive=lambda: supervisor.assert_alive("kafka"))


def _make_schema() -> None:
    """Make tables and topics."""
    from runtime.kafka import ensure_topics  # noqa: PLC0415  (start-up time of other commands)

    settings = load_settings()
    migrate(settings.postgres.url.get_secret_value())
    ensure_topics(settings.kafka)


def _wait_for_services(supervisor: Supervisor, plan: Plan, programs: tuple[Program, ...]) -> None:
    """Wait until every service runs, the API answers and the VOEvent port is open."""
    names = {program.name for program in programs if program.group != "feed"}
    started = time.monotonic()
    while time.monotonic() < started + _READY_TIMEOUT_S:
        running = {item.name for item in supervisor.states() if item.state == "RUNNING"}
        if names <= running and is_api_ready(plan.api_url) and _accepts_subscribers(plan):
            return
        for name in names - running:
            patient = time.monotonic() < started + _RETRY_TIMEOUT_S
            supervisor.assert_alive(name, allow_retry=patient)
        time.sleep(0.1)
    waiting = sorted(names - running) or ["the API's /readyz or the VOEvent port"]
    raise StackError(
        f"not ready within {_READY_TIMEOUT_S:.0f} s: {', '.join(waiting)}; "
        f"the logs in {supervisor.logs} tell why"
    )


def _accepts_subscribers(plan: Plan) -> bool:
    return is_listening(plan.vtp_port, host=plan.vtp_host)


def is_api_ready(api_url: str) -> bool:
    """Ask the API whether it can do its work."""
    try:
        return httpx.get(f"{api_url}/readyz", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


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
                f"somebody else is starting a stack in {data_dir} just now; wait for it"
            ) from None
        yield


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Stop in peace: a second Ctrl-C would leave half of it running."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(kind, signal.signal(kind, signal.SIG_IGN)) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in before:
            signal.signal(kind, handler)


def _socket_path(data_dir: Path) -> Path:
    """Return a path for supervisord's socket that the kernel accepts."""
    path = data_dir / "supervisor.sock"
    if socket_fits(path):
        path.unlink(missing_ok=True)
        return path
    return Path(tempfile.mkdtemp(prefix="livetrap-")) / "supervisor.sock"


def _forget(data_dir: Path, socket: Path) -> None:
    """Remove what only a running stack needs."""
    remove_state(data_dir)
    with suppress(FileNotFoundError):
        socket.unlink()
    if socket.parent != data_dir:
        shutil.rmtree(socket.parent, ignore_errors=True)
