"""How much is read of whom: each address its own, nobody waits for another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.listening import party_of
from services.distribute.steps.read_budget import ReadBudget


def budget() -> ReadBudget:
    return ReadBudget(per_host=100.0, total=400.0, burst_s=5.0)


def units_read_in(made: ReadBudget, host: str, *, start_s: float, duration_s: float) -> int:
    """Read single units as fast as the budget lets one connection; return their number."""
    now_s, n_units = start_s, 0
    while now_s < start_s + duration_s:
        now_s += made.spend(host, 1, now_s)
        n_units += 1
    return n_units


def test_after_a_pause_a_burst_is_free_and_then_the_rate_holds() -> None:
    assert units_read_in(budget(), "192.0.2.1", start_s=10.0, duration_s=10.0) == pytest.approx(
        1500, abs=2
    )


def test_who_sends_little_never_waits_for_who_sends_much() -> None:
    made = budget()
    for second in range(60):
        for loud in range(10):
            for _ in range(100):
                made.spend(f"192.0.2.{loud}", 10, second)
        assert made.spend("198.51.100.7", 20, second + 0.5) == 0


def test_the_loud_share_the_total() -> None:
    made, hosts = budget(), [f"192.0.2.{number}" for number in range(10)]
    due_s = dict.fromkeys(hosts, 0.0)
    n_units = dict.fromkeys(hosts, 0)
    while (host := min(due_s, key=lambda each: due_s[each])) and due_s[host] < 100:
        due_s[host] += made.spend(host, 10, due_s[host])
        n_units[host] += 10
    # The bursts come on top; after them 40 a second for each.
    assert sum(n_units.values()) <= 1.05 * (400 * 100 + 10 * 500)
    assert max(n_units.values()) <= 1.2 * min(n_units.values())


def test_what_is_refunded_is_free() -> None:
    made = budget()
    for _ in range(10_000):
        assert made.spend("192.0.2.1", 2.5, 0.0) == 0
        made.refund("192.0.2.1", 2.5)


@given(
    spends=st.lists(
        st.tuples(st.integers(0, 30), st.floats(0.1, 100), st.floats(0, 10)), max_size=60
    )
)
def test_the_wait_is_never_longer_than_the_work_of_all_takes(
    spends: list[tuple[int, float, float]],
) -> None:
    made, now_s, spent = budget(), 0.0, 0.0
    for number, units, step_s in spends:
        now_s += step_s
        spent += units
        delay_s = made.spend(f"192.0.2.{number}", units, now_s)
        assert 0 <= delay_s <= spent / 100 + spent * 31 / 400


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("unknown", "unknown", True),
    ],
)
def test_an_address_is_that_of_a_party(one: str, other: str, *, is_same: bool) -> None:
    assert (party_of(one) == party_of(other)) is is_same
