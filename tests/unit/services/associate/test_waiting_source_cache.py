"""What is known of waiting looks is what its rows say, whatever came and went before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.associate.storage.waiting_source_cache import StreamWaiting, WaitingSourceCache

ROWS = st.dictionaries(
    st.tuples(st.integers(1, 4), st.integers(1, 3)), st.sets(st.integers(1, 9)), max_size=6
)


@given(st.lists(ROWS, max_size=6))
def test_what_waits_is_the_union_of_the_rows(steps: list[dict[tuple[int, int], set[int]]]):
    known = StreamWaiting()
    for rows in steps:
        for timestep_id, version in zip(*(each.tolist() for each in known.known()), strict=True):
            known.forget(timestep_id, version)
        for (timestep_id, version), ids in rows.items():
            known.learn(timestep_id, version, np.array(sorted(ids, reverse=True), np.int64))
        asked = np.arange(12)
        n_timesteps, found = known.find(asked)
        assert n_timesteps == len(rows)
        assert set(found.tolist()) == set().union(*rows.values())


def test_rows_that_stay_are_kept_beside_those_that_go():
    known = StreamWaiting()
    known.learn(1, 10, np.array([3, 5]))
    known.learn(2, 11, np.array([5, 4]))
    known.forget(1, 10)
    known.learn(1, 12, np.array([7]))
    assert [each.tolist() for each in known.known()] == [[2, 1], [11, 12]]
    assert known.find(np.arange(9))[1].tolist() == [4, 5, 7]


def test_another_connection_knows_nothing():
    waiting = WaitingSourceCache()
    waiting.of_stream(1, server_pid=7).learn(1, 10, np.array([3]))
    assert waiting.of_stream(1, server_pid=7).find(np.array([3]))[0] == 1
    assert waiting.of_stream(1, server_pid=8).find(np.array([3]))[0] == 0


def test_only_the_streams_used_last_are_remembered():
    waiting = WaitingSourceCache()
    for stream_id in range(1, 18):
        waiting.of_stream(stream_id, server_pid=7).learn(1, 10, np.array([3]))
    assert waiting.of_stream(17, server_pid=7).find(np.array([3]))[0] == 1
    assert waiting.of_stream(1, server_pid=7).find(np.array([3]))[0] == 0
