"""The handler: whatever is interrupted, Kafka gets each alert once."""

import pytest

from runtime.errors import TransientError
from tests.support.alert_handler import (
    EVENTS,
    CrashedError,
    Servers,
    check_each_once,
    make_handler,
)
from tests.support.examples import every_fifth

pytestmark = pytest.mark.usefixtures("cheap_packets", "events_of_a_part")


# At most twenty steps for three alerts, twice as many one by one; and a recovery.
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 46))
async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    fuse: int, size: int
) -> None:
    servers = Servers(fuse)
    await run_and_restart(servers, fuse_after=-1, size=size)
    check_each_once(servers)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 20))
async def test_a_second_crash_during_the_recovery_neither(fuse: int, size: int) -> None:
    for fuse_after in every_fifth(range(1, 20)):
        servers = Servers(fuse)
        await run_and_restart(servers, fuse_after=fuse_after, size=size)
        check_each_once(servers, f"again after {fuse_after} steps")


async def run_and_restart(servers: Servers, *, fuse_after: int, size: int) -> None:
    """Replay from the event that was not committed, as Kafka does, until all are done."""
    n_done = 0
    for _ in range(4):
        handler = make_handler(servers)
        try:
            await handler.recover()
            while n_done < len(EVENTS):
                await handler.on_events(EVENTS[n_done : n_done + size])
                n_done += size
        except CrashedError:
            servers.fuse, fuse_after = fuse_after, -1
        else:
            return
    raise AssertionError("never done")


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("fuse", range(1, 20))
async def test_an_attempt_during_an_outage_is_repeated_by_the_same_process(
    fuse: int, size: int
) -> None:
    servers = Servers(fuse, breaks_with=TransientError)
    handler = make_handler(servers)
    for first in range(0, len(EVENTS), size):
        for _ in range(2):
            try:
                await handler.on_events(EVENTS[first : first + size])
            except TransientError:
                continue
            break
    check_each_once(servers)
