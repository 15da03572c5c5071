"""Wait until the servers and services of a stack work."""

import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from livetrap.stack.errors import StackError
from livetrap.stack.plan import Plan
from livetrap.stack.ports import is_listening
from livetrap.stack.programs import Prepared
from livetrap.stack.supervisor import Supervisor
from livetrap.stack.supervisor_config import Program

__all__ = ["READY_TIMEOUT_S", "is_api_ready", "wait_for_servers", "wait_for_services"]

READY_TIMEOUT_S = 90.0
# A service that still ends after this time does not work; before, its restart may succeed.
_RETRY_TIMEOUT_S = 10.0


def wait_for_servers(supervisor: Supervisor, prepared: Prepared) -> None:
    """Wait until the servers that were started here accept connections.

    Raises
    ------
    StackError
        If one ends, or is not ready in time.
    """
    if prepared.postgres is not None:
        prepared.postgres.wait_until_ready(
            assert_alive=lambda: supervisor.assert_alive("postgres")
        )
    if prepared.kafka is not None:
        prepared.kafka.wait_until_ready(assert_alive=lambda: supervisor.assert_alive("kafka"))


def wait_for_services(supervisor: Supervisor, plan: Plan, programs: tuple[Program, ...]) -> None:
    """Wait until every service runs, the API answers and the VOEvent port is open.

    Raises
    ------
    StackError
        If a service ends again and again, or one is not ready in time.
    """
    names = {program.name for program in programs if program.group != "feed"}
    started = time.monotonic()
    while time.monotonic() < started + READY_TIMEOUT_S:
        running = {item.name for item in supervisor.states() if item.state == "RUNNING"}
        if names <= running and is_api_ready(plan.api_url) and _accepts_subscribers(plan):
            return
        for name in names - running:
            may_retry = time.monotonic() < started + _RETRY_TIMEOUT_S
            supervisor.assert_alive(name, allow_retry=may_retry)
        time.sleep(0.1)
    waiting = sorted(names - running) or ["the API's /readyz or the VOEvent port"]
    raise StackError(
        f"not ready within {READY_TIMEOUT_S:.0f} s: {', '.join(waiting)}; "
        f"see the logs in {supervisor.logs}"
    )


def is_api_ready(api_url: str) -> bool:
    """Return whether the API says that it can work."""
    # Not httpx: its import, and the certificates that it reads, cost more than all the rest.
    direct = build_opener(ProxyHandler({}))
    try:
        with direct.open(f"{api_url}/readyz", timeout=2.0):
            return True
    except HTTPError as error:
        error.close()
        return False
    except (OSError, HTTPException):
        return False


def _accepts_subscribers(plan: Plan) -> bool:
    return is_listening(plan.vtp_port, host=plan.vtp_host)
