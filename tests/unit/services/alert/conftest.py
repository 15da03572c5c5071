"""Fixtures of the tests of the alert service."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from schemas.messages import SourceEvent
from services.alert.handlers import transients
from services.alert.models import NewAlert
from services.alert.steps.alert import build_alert


@pytest.fixture(scope="module")
def cheap_packets() -> Iterator[None]:
    """Build the packet of an event once; each further one differs by a comment."""
    known: dict[tuple[SourceEvent, int], NewAlert] = {}
    numbers = count()

    def build(event: SourceEvent, *arguments: Any, revision: int, **given: Any) -> NewAlert:
        if (event, revision) not in known:
            known[event, revision] = build_alert(event, *arguments, revision=revision, **given)
        alert = known[event, revision]
        return replace(alert, voevent=alert.voevent + b"<!-- %d -->" % next(numbers))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transients, "build_alert", build)
        yield


@pytest.fixture(params=[1, 100])
def events_of_a_part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide about events while the alerts of those before are sent; and about all at once."""
    monkeypatch.setattr(transients, "_PART", request.param)
