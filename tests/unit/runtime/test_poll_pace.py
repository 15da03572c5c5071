"""A loop polls often while something happens, and seldom after that."""

from runtime.poll_pace import PollPace


def test_polls_are_short_until_nothing_has_happened_for_a_while() -> None:
    now_s = [100.0]
    pace = PollPace(busy_s=0.02, idle_s=0.25, awake_s=2.0, clock=lambda: now_s[0])
    assert pace.timeout_s() == 0.02
    now_s[0] = 101.9
    assert pace.timeout_s() == 0.02
    pace.stay_awake()
    now_s[0] = 103.8
    assert pace.timeout_s() == 0.02
    now_s[0] = 103.95
    assert pace.timeout_s() == 0.25
    pace.stay_awake()
    assert pace.timeout_s() == 0.02
