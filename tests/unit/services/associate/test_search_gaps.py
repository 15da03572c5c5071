"""Gaps between the boxes of a search."""

from services.associate.storage.search_gaps import SearchGaps


def test_gaps_widen_while_they_save_more_than_they_cost() -> None:
    gaps = SearchGaps()
    for _ in range(20):
        gaps.learn(1, n_saved=900, n_extra=40)
    assert gaps.gap_deg(1) == 20.0
    assert gaps.gap_deg(2) == SearchGaps().gap_deg(2)


def test_a_crowded_field_is_searched_without_gaps() -> None:
    gaps = SearchGaps()
    for _ in range(20):
        gaps.learn(1, n_saved=10, n_extra=10_000)
    assert 0 < gaps.gap_deg(1) < 0.01


def test_a_gap_that_was_too_wide_is_tried_again_much_later() -> None:
    gaps = SearchGaps()
    for _ in range(20):
        gaps.learn(1, n_saved=900, n_extra=0)
    gaps.learn(1, n_saved=900, n_extra=5000)
    searches = 0
    while gaps.gap_deg(1) < 20.0:
        gaps.learn(1, n_saved=900, n_extra=0)
        searches += 1
    assert searches > 400


def test_streams_that_are_searched_no_longer_are_forgotten() -> None:
    gaps = SearchGaps()
    for stream_id in range(1001):
        gaps.learn(stream_id, n_saved=1, n_extra=0)
    assert gaps.gap_deg(0) == SearchGaps().gap_deg(0)
    assert gaps.gap_deg(1) == gaps.gap_deg(1000) > gaps.gap_deg(0)
