"""The state of a running stack: its processes, its ports, its image accounting."""

import asyncio
from pathlib import Path
from typing import TypedDict

import asyncpg

from livetrap.operator.ledger import count_outcomes
from livetrap.stack.errors import StackError
from livetrap.stack.readiness import is_api_ready
from livetrap.stack.state import StackState, read_running
from livetrap.stack.supervisor import Supervisor
from runtime.listening import format_address
from runtime.postgres import UNAVAILABLE_ERRORS
from runtime.sql import Queries

__all__ = ["ServiceStatus", "Status", "get_status", "render_status"]

_QUERIES = Queries("livetrap.operator")
_QUERY_TIMEOUT_S = 5.0


class ServiceStatus(TypedDict):
    """State and process of one program."""

    state: str
    pid: int


class Status(TypedDict):
    """The keys of ``livetrap status --json``; null where nothing runs or answers."""

    ready: bool
    data_dir: str
    kafka: str | None
    postgres_url: str | None
    api_url: str | None
    vtp_host: str | None
    vtp_port: int | None
    services: dict[str, ServiceStatus]
    last_image_age_s: float | None
    last_alert_age_s: float | None
    ledger: dict[str, int] | None


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
    services = _services(state, data_dir)
    last_image_age_s, last_alert_age_s, ledger = asyncio.run(_read_ledger(state.postgres_url))
    all_run = bool(services) and all(item["state"] == "RUNNING" for item in services.values())
    return Status(
        ready=all_run and is_api_ready(state.api_url),
        data_dir=str(data_dir),
        kafka=state.kafka,
        postgres_url=state.postgres_url,
        api_url=state.api_url,
        vtp_host=state.vtp_host,
        vtp_port=state.vtp_port,
        services=services,
        last_image_age_s=last_image_age_s,
        last_alert_age_s=last_alert_age_s,
        ledger=ledger,
    )


def render_status(status: Status) -> str:
    """Return the status as lines for a person; the password stays hidden."""
    if not status["services"]:
        return f"nothing runs in {status['data_dir']}; `livetrap up` starts it"
    lines = [
        f"{'ready' if status['ready'] else 'NOT READY'}",
        f"  data folder  {status['data_dir']}",
        f"  web UI       {status['api_url']}/",
        f"  VOEvents     {format_address(status['vtp_host'] or '', status['vtp_port'] or 0)}",
        f"  Kafka        {status['kafka']}",
        f"  last image   {_age(status['last_image_age_s'])}",
        f"  last alert   {_age(status['last_alert_age_s'])}",
    ]
    ledger = status["ledger"]
    counts = ", ".join(f"{n} {outcome}" for outcome, n in (ledger or {}).items())
    lines.append(f"  images       {counts or ('none yet' if ledger is not None else 'unknown')}")
    lines += [
        f"  {name:<12} {item['state'].lower()}" + (f" (pid {item['pid']})" if item["pid"] else "")
        for name, item in sorted(status["services"].items())
    ]
    return "\n".join(lines)


def _nothing(data_dir: Path) -> Status:
    """Return the status of a folder where nothing runs."""
    return Status(
        ready=False,
        data_dir=str(data_dir),
        kafka=None,
        postgres_url=None,
        api_url=None,
        vtp_host=None,
        vtp_port=None,
        services={},
        last_image_age_s=None,
        last_alert_age_s=None,
        ledger=None,
    )


def _services(state: StackState, data_dir: Path) -> dict[str, ServiceStatus]:
    """Return every program, or none if supervisord does not answer."""
    try:
        programs = Supervisor(state.socket, data_dir / "logs").states()
    except StackError:
        return {"supervisord": ServiceStatus(state="UNKNOWN", pid=state.pid)}
    return {item.name: ServiceStatus(state=item.state, pid=item.pid) for item in programs}


async def _read_ledger(
    postgres_url: str,
) -> tuple[float | None, float | None, dict[str, int] | None]:
    """Return the ages of the newest image and alert [s] and the ledger, where they exist."""
    try:
        connection = await asyncpg.connect(postgres_url, timeout=_QUERY_TIMEOUT_S)
        try:
            ages = await _QUERIES.fetchrow(connection, "get_last_ages")
            ledger = await count_outcomes(connection)
        finally:
            await connection.close()
    except (*UNAVAILABLE_ERRORS, asyncpg.PostgresError):
        # Unavailable, or not migrated yet: the rest of the status is still of use.
        return None, None, None
    return (ages["last_image_age_s"], ages["last_alert_age_s"], ledger) if ages else (None,) * 3


def _age(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:.0f} s ago"
