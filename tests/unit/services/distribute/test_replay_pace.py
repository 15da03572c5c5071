"""Replays go to a host at a rate that any host stands, however many there are."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.distribute.steps.replay_pace import ReplayPace

SPELLINGS = [
    "https://robot.example.org/a", "https://ROBOT.example.org:8443/b?c=d",
    "http://user:pass@robot.example.org./", "https://robot.example.org",
]  # fmt: skip


@given(
    asked=st.lists(
        st.tuples(st.sampled_from(SPELLINGS), st.floats(0, 0.3, allow_subnormal=False)),
        min_size=2,
        max_size=60,
    )
)
def test_a_host_gets_no_more_than_its_rate(asked: list[tuple[str, float]]) -> None:
    pace, now_s, turns_s = ReplayPace(10.0), 1000.0, []
    for url, pause_s in asked:
        now_s += pause_s
        wait_s = pace.wait_s(url, now_s)
        assert wait_s >= 0
        turns_s.append(now_s + wait_s)
    assert all(later - earlier > 0.0999 for earlier, later in pairwise(turns_s))


def test_another_host_waits_for_nobody() -> None:
    pace = ReplayPace(10.0)
    for _ in range(100):
        pace.wait_s(SPELLINGS[0], 5.0)
    assert pace.wait_s("https://other.example.org/", 5.0) == 0.0
    assert pace.wait_s(SPELLINGS[0], 1000.0) == 0.0
