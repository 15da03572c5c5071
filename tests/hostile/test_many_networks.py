"""One customer of IPv6 has 65 536 networks of a /64 each: they are no 65 536 customers."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.app.connections import limited_protocol
from api.errors import ProblemError
from api.steps.catch_up_queue import CatchUpQueue
from api.steps.request_limiter import RequestLimiter
from api.steps.stream_limiter import StreamLimiter
from api.storage.budget import ClientBudget
from runtime.api_tokens import create_token
from runtime.settings import ApiSettings, VtpSettings
from services.distribute.handlers.filter_pool import FilterPool
from services.distribute.steps.connection_limiter import ConnectionLimiter
from services.distribute.steps.read_budget import ReadBudget
from tests.hostile.test_filter_bombs import BOMB, HONEST
from tests.unit.api.app.test_connections import application
from tests.unit.services.distribute.test_connection_limiter import EVERYBODY

# Another customer, and an address of IPv4.
OTHERS = ("2001:db8:8::1", "192.0.2.1")


def networks(n: int) -> Iterator[str]:
    """Return an address of each of many networks of one customer."""
    return (f"2001:db8:7:{number:x}::1" for number in range(n))


async def never(_: str) -> bool:
    return False


def n_admitted(limiter: StreamLimiter, hosts: Iterator[str], places: ExitStack) -> int:
    n = 0
    for host in hosts:
        try:
            places.enter_context(limiter.admit(host))
        except ProblemError:
            continue
        n += 1
    return n


def test_they_do_not_fill_the_alert_streams() -> None:
    settings = ApiSettings()
    limiter = StreamLimiter(
        total=settings.max_alert_streams, per_host=settings.max_alert_streams_per_host
    )
    with ExitStack() as places:
        assert n_admitted(limiter, networks(2000), places) == settings.max_alert_streams // 4
        assert n_admitted(limiter, iter(OTHERS), places) == 2
    with ExitStack() as places:  # all were given back
        assert n_admitted(limiter, networks(2000), places) == settings.max_alert_streams // 4


@pytest.mark.parametrize("n_greedy", [16, 24])
def test_a_few_addresses_do_not_fill_the_alert_streams(n_greedy: int) -> None:
    limiter = StreamLimiter(total=1000, per_host=64)
    with ExitStack() as places:
        for number in range(n_greedy):
            n_admitted(limiter, iter([f"192.0.2.{number}"] * 100), places)
        assert n_admitted(limiter, iter(["198.51.100.7"]), places) == 1


class Connection:
    """A transport that tells what was written to it."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.written = b""

    def get_extra_info(self, name: str) -> Any:
        return (self.host, 1) if name in ("peername", "sockname") else None

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return bool(self.written)

    def close(self) -> None:
        """Nothing to do."""


async def test_they_do_not_have_all_connections_to_the_api() -> None:
    most = 8
    config = uvicorn.Config(application, log_config=None)
    protocol = limited_protocol(ApiSettings(max_connections_per_host=most))
    opened: list[Any] = []

    def connect(host: str) -> bool:
        """Return whether a connection is taken."""
        made = protocol(config=config, server_state=ServerState(), app_state={})  # type: ignore[call-arg]
        transport = Connection(host)
        made.connection_made(transport)  # type: ignore[arg-type]
        opened.append(made)
        return b"503" not in transport.written

    assert sum(map(connect, networks(100))) == 4 * most
    assert all(map(connect, OTHERS))
    for each in opened:
        each.connection_lost(None)
    assert sum(connect(OTHERS[0]) for _ in range(2 * most)) == most


async def test_they_do_not_send_requests_at_the_rate_of_all() -> None:
    limiter = RequestLimiter(8.0, never)
    waits_s = [await limiter.spend(host, None, 0.0) for host in networks(2000)]
    assert waits_s.count(0.0) == 4 * 80
    assert [await limiter.spend(host, None, 0.0) for host in OTHERS] == [0.0, 0.0]


async def test_the_tokens_that_they_make_up_are_seldom_looked_up() -> None:
    asked: list[str] = []

    async def is_valid(token: str) -> bool:
        asked.append(token)
        return False

    limiter = RequestLimiter(100.0, is_valid)
    for host in networks(1000):
        await limiter.spend(host, create_token(), 0.0)
    assert len(asked) == 10


def test_they_do_not_connect_to_the_port_of_subscribers_without_end() -> None:
    made = ConnectionLimiter(VtpSettings(), allow=EVERYBODY, per_minute=10)
    n_connected = 0
    for host in networks(500):
        if made.admit(host, 0.0) is None:
            n_connected += 1
            made.release(host)
    assert n_connected == 40
    assert [made.admit(host, 0.0) for host in OTHERS] == [None, None]


async def test_their_slow_filters_have_one_turn() -> None:
    pool, n_done = FilterPool(), 0

    async def bomb(host: str, number: int) -> None:
        nonlocal n_done
        assert "CPU time" in await pool.find_defect(host, (f"{BOMB} or {number}=0",))
        n_done += 1

    bombs = [asyncio.create_task(bomb(host, n)) for n, host in enumerate(networks(12))]
    while not n_done:  # noqa: ASYNC110  (nothing reports it)
        await asyncio.sleep(0)
    assert await pool.find_defect(OTHERS[1], (HONEST,)) == ""
    assert n_done <= 2
    await asyncio.gather(*bombs)
    await pool.aclose()


async def test_what_they_send_leaves_others_their_share() -> None:
    budget = ReadBudget(per_host=100.0, total=200.0, burst_s=1.0)
    for turn in range(20):
        for host in networks(200):
            budget.spend(host, 1.0, 0.2 * turn)
    # Half of the total, as one of two that send much.
    waits_s = [budget.spend(OTHERS[1], 1.0, 4.0) for _ in range(200)]
    assert waits_s.count(0.0) == 100


async def test_what_their_streams_missed_is_read_in_one_turn() -> None:
    queue, n_turns = CatchUpQueue(at_once=1), 0

    async def read(host: str) -> None:
        nonlocal n_turns
        while True:
            async with queue.turn(host):
                n_turns += 1
                await asyncio.sleep(0)

    reading = [asyncio.create_task(read(host)) for host in networks(50)]
    while n_turns < 50:  # noqa: ASYNC110  (nothing reports it)
        await asyncio.sleep(0)
    async with queue.turn(OTHERS[1]):
        assert n_turns <= 52
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)


async def test_they_ask_no_more_costly_questions_than_one_address() -> None:
    budget = ClientBudget(running=2, waiting=8, wait_s=60.0)
    is_over = asyncio.Event()

    async def ask(host: str) -> None:
        async with budget.turn(host):
            await is_over.wait()

    asked = [asyncio.create_task(ask(host)) for host in networks(30)]
    await asyncio.sleep(0)
    other = asyncio.create_task(ask(OTHERS[1]))
    await asyncio.sleep(0)
    is_over.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, ProblemError) for each in outcomes) == 20
    await other
