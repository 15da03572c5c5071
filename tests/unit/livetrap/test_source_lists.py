"""The text of source lists, whatever the numbers and the names of the files."""

import csv
import io
from dataclasses import fields
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from livetrap.extraction.number_texts import to_texts
from livetrap.extraction.tables import FORMATS, FileSources, ImageSummary
from schemas.messages import SourceColumns
from services.extract.models import Shapes

ANY_FLOAT = st.floats() | st.floats(-1.0, 1.0) | st.integers(-20, 20).map(lambda n: 10.0**n)
FLOATS = arrays.arrays(np.float64, st.integers(0, 20), elements=ANY_FLOAT)


@given(FLOATS)
def test_a_float_has_the_text_that_python_gives_it(column: np.ndarray) -> None:
    assert to_texts(column) == [str(value) for value in column.tolist()]


@given(arrays.arrays(np.int64, st.integers(0, 20)))
def test_a_whole_number_has_no_point(column: np.ndarray) -> None:
    assert to_texts(column) == [str(value) for value in column.tolist()]


@given(
    st.lists(st.tuples(st.text(min_size=1), FLOATS), max_size=3),
    st.integers(0, 2**31),
)
def test_csv_is_what_its_own_writer_writes(files: list[tuple[str, np.ndarray]], flag: int) -> None:
    done = []
    expected = io.StringIO()
    names = [column.name for kind in (SourceColumns, Shapes) for column in fields(kind)]
    writer = csv.writer(expected, lineterminator="\n")
    writer.writerow(["file", *names])
    for name, values in files:
        flags = np.full(values.size, flag)
        columns = {each: flags if each == "quality_flags" else values for each in names}
        sources, shapes = (
            kind(**{each.name: columns[each.name] for each in fields(kind)})
            for kind in (SourceColumns, Shapes)
        )
        found = FileSources(Path(name), ImageSummary(None, None, 1.0, 5.0, 1, 0), sources, shapes)
        done.append(found)
        for row in zip(*(columns[each].tolist() for each in names), strict=True):
            writer.writerow([found.name, *row])
    assert FORMATS["csv"](done) == expected.getvalue()
