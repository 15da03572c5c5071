"""Values reach the statements, and come back from them, under the names of the columns."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from runtime.sql import load_statement
from services.associate.models.catalogue import SOURCE_DTYPE, STATISTICS_DTYPE
from services.associate.models.decisions import TransientRow

_PACKAGE = "services.associate"
_RUNS_A_STATEMENT = {"_fetch", "_fetchval", "_execute"}


# Widths and kinds of what PostgreSQL's send functions write; a column without one is a bytea.
_SENT = {"int2": "i2", "int4": "i4", "int8": "i8", "float8": "f8", "bool": "b1", "": "V112"}


def _sent_columns(query: str) -> list[tuple[str, str]]:
    """Return the columns of the rows of fixed width that a query returns, in its order."""
    text = load_statement(_PACKAGE, query).text
    found = re.search(r"string_agg\((.*?),\s*''\s*\) as rows", text, re.DOTALL)
    assert found is not None
    parts = [
        re.fullmatch(r"(?:(\w+)send\()?\w+\.(\w+)\)?", each.strip())
        for each in found[1].split("||")
    ]
    return [(each[2], _SENT[each[1] or ""]) for each in parts if each]


def _columns_of(dtype: np.dtype) -> list[tuple[str, str]]:
    return [(name, dtype[name].str[1:]) for name in dtype.names]


@pytest.mark.parametrize(
    ("query", "dtype"),
    [
        ("select_candidates", SOURCE_DTYPE),
        ("select_sources", SOURCE_DTYPE),
        ("select_statistics", STATISTICS_DTYPE),
    ],
)
def test_rows_of_fixed_width_have_the_columns_of_their_dtype(query: str, dtype: np.dtype):
    assert _sent_columns(query) == _columns_of(dtype)


def test_two_columns_of_one_type_in_the_wrong_order_are_found():
    columns = _columns_of(SOURCE_DTYPE)
    columns[1], columns[2] = columns[2], columns[1]
    assert SOURCE_DTYPE["search_ra"] == SOURCE_DTYPE["search_dec"]
    assert _sent_columns("select_candidates") != columns


def test_a_transient_has_a_field_for_every_parameter():
    parameters = load_statement(_PACKAGE, "insert_transients").parameters
    assert {each.name for each in fields(TransientRow)} == {each.name for each in parameters}


def _calls() -> Iterator[ast.Call]:
    """Return the calls in `storage` that run a statement."""
    for path in Path(str(files(_PACKAGE) / "storage")).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _RUNS_A_STATEMENT
                and isinstance(node.args[0], ast.Constant)
            ):
                yield node


def test_every_call_names_the_parameters_of_its_statement():
    calls = list(_calls())
    assert len(calls) > 30
    for call in calls:
        query = ast.literal_eval(call.args[0])
        wanted = {each.name for each in load_statement(_PACKAGE, query).parameters}
        given = {keyword.arg for keyword in call.keywords}
        assert len(call.args) == 1, f"{query} is given values by position"
        if None in given:  # a ** of columns, which have their names
            assert given - {None} < wanted, query
        else:
            assert given == wanted, query
