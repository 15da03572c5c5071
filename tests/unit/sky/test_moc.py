"""Coverage maps: a position is in one if and only if its HEALPix cell is."""

import io
import json
import re

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy_healpix import lonlat_to_healpix, uniq_to_level_ipix
from hypothesis import given
from hypothesis import strategies as st

from sky.moc import (
    MocError,
    cells_of_orders,
    parse_moc,
    write_moc_fits,
    write_moc_json,
    write_moc_text,
)

positions = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))
cells = st.lists(st.integers(0, 12 * 4**3 - 1), min_size=1, max_size=20)


def cell_of(ra: float, dec: float, order: int) -> int:
    return int(lonlat_to_healpix(ra * units.deg, dec * units.deg, 1 << order, order="nested"))


@given(position=positions, wanted=cells)
def test_a_position_is_in_a_map_if_its_cell_is(
    position: tuple[float, float], wanted: list[int]
) -> None:
    moc = parse_moc(f"3/{','.join(map(str, wanted))}")
    assert moc.contains(*position) == (cell_of(*position, 3) in wanted)


@given(position=positions, order=st.integers(0, 29))
def test_the_cell_of_a_position_contains_it_at_every_order(
    position: tuple[float, float], order: int
) -> None:
    cell = cell_of(*position, order)
    assert parse_moc(f"{order}/{cell}").contains(*position)
    others = [f"0-{cell - 1}"] if cell else []
    others += [f"{cell + 1}-{12 * 4**order - 1}"] if cell + 1 < 12 * 4**order else []
    assert not parse_moc(f"{order}/{','.join(others)}").contains(*position)


def test_orders_and_ranges_may_be_mixed() -> None:
    moc = parse_moc("1/0-3,5 2/40\n3/ ")
    assert (moc.starts, moc.stops) == ((0, 5 << 56, 40 << 54), (4 << 56, 6 << 56, 41 << 54))
    assert parse_moc("0/0-11").contains(12.0, -90.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no cells"), ("3/", "no cells"), ("5", "is no cell"), ("30/1", "is no order"),
        ("x/1", "is no order"), ("0/12", "0 to 11"), ("1/7-5", "ascending"),
        ("2/-1", "is no cell"),
        ("2/1e3", "is no cell"), ("2/1;3", "is no cell"), ("3/" + "1," * 200_000, "longer than"),
    ],
)  # fmt: skip
def test_what_is_no_map_is_refused_with_words(text: str, message: str) -> None:
    with pytest.raises(MocError, match=re.escape(message)):
        parse_moc(text)


@given(
    places=st.lists(
        st.integers(0, 6).flatmap(
            lambda order: st.tuples(st.just(order), st.integers(0, 12 * 4**order - 1))
        ),
        max_size=40,
    )
)
def test_the_least_list_covers_what_the_cells_cover(places: list[tuple[int, int]]) -> None:
    cells = np.array([(4 << (2 * order)) + cell for order, cell in places], np.int64)
    found = cells_of_orders(cells)
    text = " ".join(f"{order}/{cell}" for order, cell in places)
    if not places:
        assert (found, write_moc_text(found)) == ({}, "0/")
        return
    assert parse_moc(write_moc_text(found)) == parse_moc(text)
    assert {int(order): each for order, each in json.loads(write_moc_json(found)).items()} == {
        order: numbers.tolist() for order, numbers in found.items()
    }
    for order, numbers in found.items():
        parents, counts = np.unique(numbers // 4, return_counts=True)
        # Four cells of one parent would be the parent; at order 0 there is none.
        assert order == 0 or counts.max() < 4, (order, parents)


def test_a_map_in_fits_is_what_others_read() -> None:
    found = cells_of_orders(np.array([4 * 4**3 + 5, 4 * 4**29, 4 * 4**29 + 1], np.int64))
    with fits.open(io.BytesIO(write_moc_fits(found))) as hdus:
        head = hdus[1].header
        assert (head["MOCVERS"], head["MOCDIM"], head["ORDERING"]) == ("2.0", "SPACE", "NUNIQ")
        assert (head["COORDSYS"], head["MOCORD_S"], head["TFORM1"]) == ("C", 29, "K")
        level, pixel = uniq_to_level_ipix(hdus[1].data["UNIQ"])
    assert list(zip(level.tolist(), pixel.tolist(), strict=True)) == [(3, 5), (29, 0), (29, 1)]
