import io
import json
from datetime import UTC, datetime, timedelta

import numpy as np
from astropy.io import fits
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from sky.space_time_moc import (
    Element,
    Observed,
    to_elements,
    write_space_time,
)
from tests.support.examples import examples

NIGHT = datetime(2026, 11, 23, 20, tzinfo=UTC)
FIRST = 4 * 4**3
CELL_US = 65_536
YEAR_US = 365 * 86_400_000_000


def observed(cells: list[int], *starts_s: float, length_s: float = 10.0) -> Observed:
    starts = [NIGHT + timedelta(seconds=each) for each in starts_s]
    return Observed(np.array(cells) + FIRST, starts, np.full(len(starts), length_s))


# Two fields that overlap on the sky (cell 5) and for a second in time.
FIELDS = [observed([0, 1, 5], 0), observed([5, 40], 9, 3600)]
# As mocpy 0.21 writes the same images, but for the empty element at its end.
TEXT = (
    "t39/50702625297-50702625298 43/811242004784 44/1622484009503 1622484009570 "
    "45/3244968019142 s3/0-1 5 t42/405621002393 43/811242004788 44/1622484009578 "
    "45/3244968019143 3244968019158 s3/0-1 5 40 t39/50702625300 50702626156 "
    "40/101405250599 101405250602 101405252311 101405252314 42/405621002395 405621009243 "
    "405621009260 43/811242018485 44/1622484036969 1622484037044 45/3244968019159 "
    "3244968019296 3244968073937 3244968074090 s3/5 40"
)


def test_the_text_is_that_of_mocpy() -> None:
    assert write_space_time(to_elements(FIELDS), "ascii").decode() == TEXT


def test_json_has_the_cells_of_the_text() -> None:
    elements = json.loads(write_space_time(to_elements(FIELDS), "json"))
    assert [each["s"] for each in elements] == [
        {"3": [0, 1, 5]},
        {"3": [0, 1, 5, 40]},
        {"3": [5, 40]},
    ]
    assert elements[1]["t"] == {
        "42": [405621002393],
        "43": [811242004788],
        "45": [3244968019143, 3244968019158],
    } | {"44": [1622484009578]}


def test_fits_tells_times_from_places_by_the_highest_bit() -> None:
    with fits.open(io.BytesIO(write_space_time(to_elements(FIELDS), "fits"))) as hdus:
        header, table = hdus[1].header, hdus[1].data
        bounds = np.array(table["INTERLEAVED_SETS_OF_FLAGGED_RANGES"], np.int64)
    assert (header["MOCDIM"], header["ORDERING"], header["TIMESYS"]) == (
        "TIME.SPACE",
        "RANGE",
        "TCB",
    )
    assert (header["MOCORD_S"], header["MOCORD_T"]) == (3, 45)
    size = 4**26
    assert bounds[2:6].tolist() == [0, 2 * size, 5 * size, 6 * size]
    start_us = int(bounds[0]) - -(2**63)
    start = Time(
        start_us // 86_400_000_000, start_us % 86_400_000_000 / 86.4e9, format="jd", scale="tcb"
    )
    late_s = (Time(NIGHT) - start).to_value("s")
    assert 0 <= late_s < CELL_US * 1e-6
    assert (bounds < 0).sum() == 2 * (1 + 1 + 2)


def test_exposures_that_touch_are_one_range_and_gaps_stay() -> None:
    (element,) = to_elements([observed([7], 0, 10, 20, 500)])
    assert element.starts.size == 2
    seconds = (element.stops - element.starts) * CELL_US * 1e-6
    np.testing.assert_allclose(seconds, [30, 10], atol=2 * CELL_US * 1e-6)


def test_an_image_without_a_length_has_a_moment() -> None:
    (element,) = to_elements([observed([7], 0, length_s=0.0)])
    assert (element.stops - element.starts).tolist() == [1]


def test_nothing_observed_is_an_empty_map() -> None:
    nothing: list[Element] = to_elements([])
    assert write_space_time(nothing, "ascii") == b"t45/ s0/"
    assert write_space_time(nothing, "json") == b"[]"
    with fits.open(io.BytesIO(write_space_time(nothing, "fits"))) as hdus:
        assert len(hdus[1].data) == 0


PARTS = st.lists(
    st.tuples(
        st.sets(st.integers(0, 63), min_size=1, max_size=5),
        st.lists(
            st.tuples(
                # Within fifty years: beyond those, UTC has no seconds that are known.
                st.integers(-(50 * YEAR_US), 0).map(lambda us: NIGHT + timedelta(microseconds=us)),
                st.one_of(st.floats(0, 1e7), st.just(float("nan"))),
            ),
            min_size=1,
            max_size=4,
        ),
    ),
    max_size=5,
)


@settings(max_examples=examples(60), deadline=None)
@given(PARTS)
def test_every_format_has_the_times_and_cells_of_any_exposures(
    parts: list[tuple[set[int], list[tuple[datetime, float]]]],
) -> None:
    elements = to_elements(
        [
            Observed(
                np.array(sorted(cells)) + FIRST,
                [start for start, _ in exposures],
                np.array([length_s for _, length_s in exposures]),
            )
            for cells, exposures in parts
        ]
    )
    times = np.array(
        sorted(
            (start, stop)
            for each in elements
            for start, stop in zip(each.starts.tolist(), each.stops.tolist(), strict=True)
        ),
        np.int64,
    ).reshape(-1, 2)
    assert np.all(times[:, 0] < times[:, 1])
    assert np.all(times[1:, 0] >= times[:-1, 1])
    document = json.loads(write_space_time(elements, "json"))
    n_cells = sum(
        len(cells) << (45 - int(order)) for each in document for order, cells in each["t"].items()
    )
    assert n_cells == np.sum(times[:, 1] - times[:, 0])
    assert write_space_time(elements, "ascii").count(b"t") == max(1, len(elements))
    with fits.open(io.BytesIO(write_space_time(elements, "fits"))) as hdus:
        bounds = np.array(hdus[1].data["INTERLEAVED_SETS_OF_FLAGGED_RANGES"], np.int64)
    assert (bounds < 0).sum() == times.size
