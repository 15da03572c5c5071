"""What a timestep asks for and tells goes out before the timesteps behind it."""

import pytest

from services.associate.handlers import detections
from tests.support.association import associator
from tests.support.records import image, sources

POSITION, NEW = (123.123, 10.5), (124.0, 11.0)


async def test_events_and_requests_of_a_timestep_come_before_the_next_ones(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detections, "_ASSOCIATE_S", 0.0)
    night = [
        image(step, sources([POSITION, NEW] if step == 1 else [POSITION])) for step in range(5)
    ]
    async with associator(postgres_url) as case:
        case.deliver(night)
        published = []
        while await case.associate_some():
            n_done = sum((await case.outcomes()).values())
            published.append((n_done, len(case.events), len(case.requests)))
    # The new source is told with its own timestep, and measured where it is not seen again.
    assert published[:4] == [(1, 0, 0), (2, 1, 0), (3, 1, 1), (4, 1, 2)]
    assert len(case.requests) == 3
