"""What a stream sends of its storms by itself: the best of what is open, and few in any case."""

import asyncio
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from livetrap.operator.suppressed_events import release
from runtime.settings import Settings
from schemas.messages import SourceEvent
from schemas.quality import QualityFlag
from schemas.topics import Topics
from services.alert.storage import AlertStore
from tests.support.vtp_events import source_event

MINUTE_S = 60.0
WAIT_S = 600.0
N_BEST = 5
MINUTE = "2026-03-01T12:00Z"


@dataclass
class Site:
    """A stream whose storms are stored and released; its clock is set by hand."""

    pool: asyncpg.Pool
    settings: Settings
    stream: str = field(default_factory=lambda: f"storms-{uuid.uuid4().hex[:8]}")
    n_events: int = 0

    async def suppress(
        self, n_events: int, storm: str, *, reason: str = "too many", **changes: Any
    ) -> list[SourceEvent]:
        """Suppress events, each stronger than the one before."""
        events = []
        for _ in range(n_events):
            self.n_events += 1
            values = {"snr": 10.0 + self.n_events, "transient_id": 0} | changes
            events.append(
                source_event(self.n_events, salt=self.stream, stream=self.stream, **values)
            )
        async with AlertStore(self.pool).transaction() as transaction:
            for event in events:
                await transaction.suppress(event, storm=storm, reason=reason)
        return events

    async def release(self, *, after_s: float = 0.0, n_events: int = N_BEST) -> set[str]:
        """Release what goes by itself; return what of this stream does."""
        store, topic = AlertStore(self.pool), Topics().transients
        released = set(await store.release_storms(after_s=after_s, n_events=n_events, topic=topic))
        rows = await self.pool.fetch(
            "select event_id from suppressed_event where stream = $1", self.stream
        )
        return released & {row["event_id"] for row in rows}

    async def release_by_hand(self, event: SourceEvent) -> None:
        await asyncio.to_thread(release, self.settings, name=event.event_id, image_id=None)

    async def wait(self, seconds: float) -> None:
        """Let time pass for the rows of this stream."""
        await self.pool.execute(
            "update suppressed_event set "
            "time_suppressed = time_suppressed - $2::float8 * interval '1 second', "
            "time_released = time_released - $2 * interval '1 second', "
            "time_decided = time_decided - $2 * interval '1 second' where stream = $1",
            self.stream,
            seconds,
        )


@pytest.fixture
def site(pool: asyncpg.Pool, postgres_url: str) -> Site:
    return Site(pool, Settings.model_validate({"postgres": {"url": postgres_url}}))


def ids_of(events: Iterable[SourceEvent]) -> set[str]:
    return {event.event_id for event in events}


async def test_a_storm_of_a_minute_over_many_images_sends_its_five_best_once(site: Site) -> None:
    events = await site.suppress(40, MINUTE)
    assert len({event.image_id for event in events}) == 40
    assert await site.release() == ids_of(events[-N_BEST:])
    for _ in range(3):
        assert await site.release() == set()
    later = await site.suppress(10, MINUTE)  # of the same minute
    assert await site.release() == set()
    await site.release_by_hand(later[0])


async def test_an_image_is_one_storm_whatever_its_count_is_when(site: Site) -> None:
    image_id = uuid.uuid4().hex
    await site.suppress(
        20, image_id, reason=f"image {image_id} brought 60 candidates", image_id=image_id
    )
    more = await site.suppress(
        20, image_id, reason=f"image {image_id} brought 80 candidates", image_id=image_id
    )
    assert await site.release() == ids_of(more[-N_BEST:])
    await site.suppress(20, image_id, reason=f"image {image_id} brought 99 candidates")
    assert await site.release() == set()


async def test_an_operator_decides_about_all_images_of_a_storm(site: Site) -> None:
    events = await site.suppress(40, MINUTE)
    await site.release_by_hand(events[3])
    assert await site.release() == set()
    await site.suppress(10, MINUTE)
    await site.wait(WAIT_S)
    assert await site.release() == set()
    rows = await site.pool.fetch(
        "select event_id, is_released_automatically from suppressed_event "
        "where stream = $1 and time_released is not null",
        site.stream,
    )
    assert [tuple(row) for row in rows] == [(events[3].event_id, False)]


async def test_an_event_of_an_earlier_storm_decides_nothing_about_a_later_one(site: Site) -> None:
    earlier = await site.suppress(10, "an image")
    assert await site.release() == ids_of(earlier[-N_BEST:])
    later = await site.suppress(10, "another image")
    await site.release_by_hand(earlier[0])
    assert await site.release() == ids_of(later[-N_BEST:])


async def test_side_lobes_decide_nothing_and_do_not_go(site: Site) -> None:
    lobes = await site.suppress(10, "side lobes", quality_flags=int(QualityFlag.SIDE_LOBE))
    await site.wait(WAIT_S)
    assert await site.release() == set()
    events = await site.suppress(10, "an image")
    await site.release_by_hand(lobes[0])
    assert await site.release(after_s=WAIT_S) == set()  # not open for so long
    assert await site.release() == ids_of(events[-N_BEST:])


async def test_rows_of_the_version_before_are_bounded_too(site: Site) -> None:
    events = await site.suppress(30, "an image")
    await site.pool.execute(
        "update suppressed_event set storm = null where stream = $1", site.stream
    )
    assert await site.release() == ids_of(events[-N_BEST:])
    await site.release_by_hand(events[0])
    assert await site.release() == set()


async def test_what_the_version_before_releases_decides_too(site: Site) -> None:
    events = await site.suppress(30, "an image")
    await site.pool.execute(
        "update suppressed_event set time_released = now(), is_released_automatically = true "
        "where event_id = $1",
        events[0].event_id,
    )
    assert await site.release() == set()
    row = "select is_released_automatically from suppressed_event where event_id = $1"
    assert await site.pool.fetchval(row, events[0].event_id)


@dataclass
class Model:
    """What ADR 130 says, without a database."""

    open: list[tuple[SourceEvent, str, float]] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    is_decided_by_hand: bool = False

    def release(self, now_s: float) -> set[str]:
        self.open = [each for each in self.open if each[1] not in self.decided]
        if not self.open:
            return set()
        best: list[SourceEvent] = []
        if not self.is_decided_by_hand:
            if now_s - min(each[2] for each in self.open) < WAIT_S:
                return set()
            best = sorted(
                (event for event, _, _ in self.open),
                key=lambda event: (event.quality_flags == 0, event.snr),
            )[-N_BEST:]
        self.decided |= {storm for _, storm, _ in self.open}
        self.open, self.is_decided_by_hand = [], False
        return ids_of(best)


@pytest.mark.parametrize("seed", range(4))
async def test_a_storm_that_goes_on_sends_few(seed: int, site: Site) -> None:
    """Whatever storms there are and whatever an operator does: at most five in ten minutes."""
    choice = random.Random(seed)
    model, sent_s, now_s = Model(), list[float](), 0.0
    for step in range(60):
        for _ in range(choice.choice([0, 1, 1, 3])):
            storm = choice.choice([f"minute {step}", f"minute {step - 1}", uuid.uuid4().hex])
            flags = choice.choice([0, 0, 1])
            events = await site.suppress(choice.randint(1, 8), storm, quality_flags=flags)
            model.open += [(event, storm, now_s) for event in events]
        if model.open and choice.random() < 0.04:
            event, storm, _ = choice.choice(model.open)
            await site.release_by_hand(event)
            model.is_decided_by_hand = storm not in model.decided
        released = await site.release(after_s=WAIT_S)
        assert released == model.release(now_s)
        sent_s += [now_s] * len(released)
        await site.wait(MINUTE_S)
        now_s += MINUTE_S
    assert sent_s
    for start_s in sent_s:
        assert sum(start_s <= each < start_s + WAIT_S for each in sent_s) <= N_BEST
