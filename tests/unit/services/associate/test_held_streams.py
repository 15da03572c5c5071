"""A stream waits for its answers alone: others go on."""

from collections.abc import Sequence
from datetime import UTC, datetime

from services.associate.errors import UndecidedError
from services.associate.handlers.held_streams import HeldStreams
from services.associate.models.timesteps import Timestep
from services.associate.storage import CatalogueStore

START = datetime(2026, 1, 1, tzinfo=UTC)


class Store(CatalogueStore):
    """Has answers to nothing, or to everything."""

    def __init__(self) -> None:
        self.is_answered = False

    async def count_undecided(self, stream_id: int, source_ids: Sequence[int]) -> int:
        assert stream_id == 1
        return 0 if self.is_answered else len(source_ids)


async def test_other_streams_go_on_and_one_that_is_decided_follows() -> None:
    store = Store()
    held = HeldStreams(store, wait_s=3600.0)
    ready = [Timestep(name, START, ()) for name in ("first", "first", "second", "first")]
    assert await held.find_next(ready) == 0
    held.hold("first", UndecidedError(1, [5, 7]))
    assert await held.find_next(ready) == 2
    assert await held.find_next(ready[:2]) is None
    store.is_answered = True
    assert await held.find_next(ready) == 0
    assert held.may_hold("first")


async def test_a_stream_that_has_waited_in_vain_waits_again_when_all_is_decided() -> None:
    held = HeldStreams(Store(), wait_s=1e-9)
    held.hold("first", UndecidedError(1, [5]))
    assert await held.find_next([Timestep("first", START, ())]) == 0
    assert not held.may_hold("first")
    held.note_committed("first", is_decided=False)
    assert not held.may_hold("first")
    held.note_committed("first", is_decided=True)
    assert held.may_hold("first")


def test_without_a_limit_nothing_waits() -> None:
    assert not HeldStreams(Store(), wait_s=0.0).may_hold("first")
