"""The lag of a replica is the age of the oldest position that it has not replayed."""

from hypothesis import given
from hypothesis import strategies as st

from api.storage.replica_lag import ReplicaLag


def test_a_replica_that_follows_is_not_behind() -> None:
    lag = ReplicaLag()
    assert lag.get_lag_s(0.0) == 0.0
    lag.note_written(100, 10.0)
    assert lag.get_lag_s(10.5) == 0.5  # not asked yet
    lag.note_replayed(100)
    assert lag.get_lag_s(99.0) == 0.0


def test_what_is_no_replica_is_never_behind() -> None:
    lag = ReplicaLag()
    lag.note_written(100, 10.0)
    lag.note_replayed(None)
    assert lag.get_lag_s(99.0) == 0.0


@given(st.integers(min_value=0, max_value=20), st.integers(min_value=20, max_value=60))
def test_a_replica_that_stands_still_falls_behind_by_the_clock(stop: int, end: int) -> None:
    lag = ReplicaLag()
    for second in range(end + 1):
        lag.note_written(100 * second, float(second))
        lag.note_replayed(100 * min(second, stop))
    assert lag.get_lag_s(float(end)) == (0.0 if stop == end else end - (stop + 1))


def test_a_quiet_database_makes_no_lag() -> None:
    lag = ReplicaLag()
    for second in range(60):
        lag.note_written(100, float(second))
        lag.note_replayed(100)
    assert lag.get_lag_s(60.0) == 0.0
