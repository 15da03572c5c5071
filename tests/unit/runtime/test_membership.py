"""A member that its client has lost ends its process; one that waits its turn does not."""

import pytest

from runtime.errors import FatalError
from runtime.kafka.membership import Membership


class _Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _check_for(
    membership: Membership, clock: _Clock, seconds: int, *, answers: bool, since_s: float | None
) -> int:
    """Check once a second; return how often the member's own client was asked."""
    n_asked = 0

    def asks() -> bool:
        nonlocal n_asked
        n_asked += 1
        return answers

    for _ in range(seconds):
        clock.now_s += 1
        membership.check(since_s, asks)
    return n_asked


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def membership(clock: _Clock) -> Membership:
    return Membership(clock=clock)


def test_a_member_whose_client_hears_nothing_ends(membership: Membership, clock: _Clock) -> None:
    membership.expect()
    assert _check_for(membership, clock, 39, answers=False, since_s=0.0) == 2
    with pytest.raises(FatalError, match="no partitions for 40 s"):
        _check_for(membership, clock, 1, answers=False, since_s=0.0)


def test_a_member_that_waits_for_others_ends_only_after_long(
    membership: Membership, clock: _Clock
) -> None:
    membership.expect()
    _check_for(membership, clock, 149, answers=True, since_s=0.0)
    with pytest.raises(FatalError):
        _check_for(membership, clock, 10, answers=True, since_s=0.0)


def test_a_broker_that_answers_nobody_is_waited_for(membership: Membership, clock: _Clock) -> None:
    membership.expect()
    assert _check_for(membership, clock, 3600, answers=False, since_s=None) == 0
    # Its time begins when the broker is there again.
    assert _check_for(membership, clock, 19, answers=False, since_s=clock.now_s) == 0


def test_a_member_with_partitions_or_none_is_not_asked(
    membership: Membership, clock: _Clock
) -> None:
    assert _check_for(membership, clock, 600, answers=False, since_s=0.0) == 0
    membership.expect()
    membership.confirm()
    assert _check_for(membership, clock, 600, answers=False, since_s=0.0) == 0
    membership.expect()
    membership.expect()
    assert _check_for(membership, clock, 19, answers=False, since_s=0.0) == 0
