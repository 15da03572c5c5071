"""The state of a running stack: its processes, its ports, its image accounting."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import asyncpg

from livetrap.operator.backlog import count_waiting
from livetrap.operator.ledger import count_outcomes
from livetrap.stack.paths import MIN_FREE_BYTES, least_free_bytes
from livetrap.stack.readiness import is_api_ready
from livetrap.stack.state import StackState, describe_links, read_running
from livetrap.terminal.printable import to_printable
from runtime.listening import format_address
from runtime.postgres import UNAVAILABLE_ERRORS
from runtime.programs import Program, SupervisorError, read_programs
from runtime.settings import load_settings
from runtime.sql import Queries

__all__ = ["FailingReceiver", "ServiceStatus", "Status", "get_status", "render_status"]

_QUERIES = Queries("livetrap.operator")
_QUERY_TIMEOUT_S = 5.0


class ServiceStatus(TypedDict):
    """State and process of one program, and what is known of its last exits."""

    state: str
    pid: int
    is_down: bool
    down_since: str | None
    n_exits: int
    last_exit: str | None
    log_lines_dropped: int


class FailingReceiver(TypedDict):
    """A webhook, a broker or the digest that the last attempt to deliver did not reach."""

    channel: str
    name: str
    n_failures: int
    n_refusals: int
    reason: str | None
    time_failed: str
    is_disabled: bool


class Status(TypedDict):
    """The keys of ``livetrap status --json``; null where nothing runs or answers."""

    ready: bool
    data_dir: str
    kafka: str | None
    postgres_url: str | None
    api_url: str | None
    public_url: str | None
    vtp_host: str | None
    vtp_port: int | None
    services: dict[str, ServiceStatus]
    disk_free_bytes: int | None
    log_lines_dropped: int
    last_image_age_s: float | None
    last_image_wait_s: float | None
    images_waiting: int | None
    images_lost_by_retention: int | None
    last_alert_age_s: float | None
    ledger: dict[str, int] | None
    failing_receivers: list[FailingReceiver] | None


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far the catalogue is; None where nothing answers or nothing came yet."""

    last_image_age_s: float | None = None
    last_image_wait_s: float | None = None
    images_waiting: int | None = None
    images_lost_by_retention: int | None = None
    last_alert_age_s: float | None = None
    ledger: dict[str, int] | None = None
    failing_receivers: list[FailingReceiver] | None = None


def get_status(data_dir: Path) -> Status:
    """Return what supervisord, the API and the database report.

    Parameters
    ----------
    data_dir : Path
        The data folder.

    Returns
    -------
    Status
        Nothing in it raises: what does not answer is null or not ready.
    """
    state = read_running(data_dir)
    if state is None:
        return _nothing(data_dir)
    services, log_lines_dropped = _services(state)
    progress = asyncio.run(_read_progress(state))
    all_run = bool(services) and all(
        item["state"] == "RUNNING" and not item["is_down"]
        for item in services.values()
        if item["state"] != "STOPPED"
    )
    kafka_answers = progress.images_waiting is not None
    return Status(
        ready=all_run and kafka_answers and is_api_ready(state.api_url),
        data_dir=str(data_dir),
        kafka=state.kafka,
        postgres_url=state.postgres_url,
        api_url=state.api_url,
        public_url=state.public_url,
        vtp_host=state.vtp_host,
        vtp_port=state.vtp_port,
        services=services,
        disk_free_bytes=least_free_bytes(data_dir),
        log_lines_dropped=log_lines_dropped,
        last_image_age_s=progress.last_image_age_s,
        last_image_wait_s=progress.last_image_wait_s,
        images_waiting=progress.images_waiting,
        images_lost_by_retention=progress.images_lost_by_retention,
        last_alert_age_s=progress.last_alert_age_s,
        ledger=progress.ledger,
        failing_receivers=progress.failing_receivers,
    )


def render_status(status: Status) -> str:
    """Return the status as lines for a person; the password stays hidden."""
    folder = to_printable(status["data_dir"])
    if not status["services"]:
        return f"nothing runs in {folder}; `livetrap up` starts it"
    silent = "" if status["images_waiting"] is not None else " (does not answer)"
    lines = [
        f"{'ready' if status['ready'] else 'NOT READY'}",
        f"  data folder  {folder}",
        f"  web UI       {status['api_url']}/",
        f"  VOEvents     {format_address(status['vtp_host'] or '', status['vtp_port'] or 0)}",
        f"  Kafka        {status['kafka']}{silent}",
        f"  links        {describe_links(status['public_url'])}",
        f"  last image   {_age(status['last_image_age_s'])}{_delay(status)}",
        f"  last alert   {_age(status['last_alert_age_s'])}",
    ]
    ledger = status["ledger"]
    counts = ", ".join(f"{n} {outcome}" for outcome, n in (ledger or {}).items())
    lines.append(f"  images       {counts or ('none yet' if ledger is not None else 'unknown')}")
    if n_lost := status["images_lost_by_retention"]:
        lines.append(
            f"  LOST         {n_lost} images by retention: raise retention.bytes and retention.ms "
            "of their topic (docs/operations.md, Keep more on Kafka)"
        )
    lines += [_describe_failure(each) for each in status["failing_receivers"] or ()]
    lines += [_line_of(name, item) for name, item in sorted(status["services"].items())]
    return "\n".join(lines + _disk_trouble(status))


def _line_of(name: str, item: ServiceStatus) -> str:
    """Return the line of one program: its state, and if it is down since when and why."""
    line = f"  {name:<12} {item['state'].lower()}"
    if item["pid"]:
        line += f" (pid {item['pid']})"
    if item["is_down"] and item["down_since"]:
        line += f", DOWN since {item['down_since']}: {item['last_exit']}"
        line += f", {item['n_exits']} in a row; see logs/{name}.log"
    return line


def _disk_trouble(status: Status) -> list[str]:
    """Return what a disk that is or was full has done."""
    lines = []
    free_bytes = status["disk_free_bytes"]
    if free_bytes is not None and free_bytes < MIN_FREE_BYTES:
        lines.append(f"  DISK         only {free_bytes >> 20} MiB left: free some")
    dropped = status["log_lines_dropped"]
    dropped += sum(item["log_lines_dropped"] for item in status["services"].values())
    if dropped:
        lines.append(f"  logs         {dropped} lines dropped: the disk could not take them")
    return lines


def _nothing(data_dir: Path) -> Status:
    """Return the status of a folder where nothing runs."""
    return Status(
        ready=False,
        data_dir=str(data_dir),
        kafka=None,
        postgres_url=None,
        api_url=None,
        public_url=None,
        vtp_host=None,
        vtp_port=None,
        services={},
        disk_free_bytes=None,
        log_lines_dropped=0,
        last_image_age_s=None,
        last_image_wait_s=None,
        images_waiting=None,
        images_lost_by_retention=None,
        last_alert_age_s=None,
        ledger=None,
        failing_receivers=None,
    )


def _services(state: StackState) -> tuple[dict[str, ServiceStatus], int]:
    """Return every program, and how many lines of supervisord's own log were dropped."""
    try:
        programs = read_programs(state.socket)
    except SupervisorError:
        silent = Program("supervisord", "", "UNKNOWN", state.pid, 0)
        return {silent.name: _to_status(silent)}, 0
    return {item.name: _to_status(item) for item in programs.items}, programs.log_lines_dropped


def _to_status(program: Program) -> ServiceStatus:
    since = program.down_since
    return ServiceStatus(
        state=program.state,
        pid=program.pid,
        is_down=program.is_down,
        down_since=None if since is None else f"{since:%Y-%m-%dT%H:%M:%SZ}",
        n_exits=program.n_exits,
        last_exit=program.last_exit,
        log_lines_dropped=program.log_lines_dropped,
    )


async def _read_progress(state: StackState) -> _Progress:
    """Return what the database has, and what waits on Kafka."""
    kafka = load_settings().kafka.model_copy(
        update={"bootstrap_servers": state.kafka, "cluster_id": state.kafka_cluster_id}
    )
    try:
        connection = await asyncpg.connect(state.postgres_url, timeout=_QUERY_TIMEOUT_S)
        try:
            ages = await _QUERIES.fetchrow(connection, "get_last_ages")
            ledger = await count_outcomes(connection)
            images_waiting = await count_waiting(connection, kafka)
            n_lost = await _QUERIES.fetchval(connection, "count_lost_images")
            failing = await _QUERIES.fetch(connection, "list_failing_subscribers")
        finally:
            await connection.close()
    except (*UNAVAILABLE_ERRORS, asyncpg.PostgresError):
        # Unavailable, or not migrated yet: the rest of the status is still of use.
        return _Progress()
    return _Progress(
        **dict(ages or {}),
        images_waiting=images_waiting,
        images_lost_by_retention=n_lost,
        ledger=ledger,
        failing_receivers=[_to_failing_receiver(row) for row in failing],
    )


def _delay(status: Status) -> str:
    """Return how far behind the catalogue is, if it is."""
    waiting, wait_s = status["images_waiting"], status["last_image_wait_s"]
    if not waiting:
        return ""
    delay = "" if wait_s is None else f", the last one {wait_s:.0f} s on its way"
    return f"; {waiting} waiting{delay}"


def _to_failing_receiver(row: asyncpg.Record) -> FailingReceiver:
    return FailingReceiver(
        channel=row["channel"],
        name=row["name"],
        n_failures=row["n_failures"],
        n_refusals=row["n_refusals"],
        reason=row["reason"],
        time_failed=f"{row['time_failed']:%Y-%m-%dT%H:%M:%SZ}",
        is_disabled=row["is_disabled"],
    )


def _describe_failure(receiver: FailingReceiver) -> str:
    state = "disabled" if receiver["is_disabled"] else "failing"
    refused = f", {receiver['n_refusals']} of them refused" if receiver["n_refusals"] else ""
    return to_printable(
        f"  {receiver['channel']:<12} {receiver['name']} is {state} since "
        f"{receiver['time_failed']}, {receiver['n_failures']} attempts{refused}: "
        f"{receiver['reason']}"
    )


def _age(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:.0f} s ago"
