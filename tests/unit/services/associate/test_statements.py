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


def _record_columns(query: str) -> list[str]:
    """Return the columns of the binary records that a query returns, in its order."""
    found = re.search(r"row\((.*?)\)", load_statement(_PACKAGE, query).text, re.DOTALL)
    assert found is not None
    return [name.strip().split(".")[1] for name in found[1].split(",")]


@pytest.mark.parametrize(
    ("query", "dtype"),
    [("select_candidates", SOURCE_DTYPE), ("select_statistics", STATISTICS_DTYPE)],
)
def test_binary_records_have_the_columns_of_their_dtype(query: str, dtype: np.dtype):
    assert _record_columns(query) == list(dtype.names)


def test_two_columns_of_one_type_in_the_wrong_order_are_found():
    names = list(SOURCE_DTYPE.names)
    names[1], names[2] = names[2], names[1]
    assert SOURCE_DTYPE["search_ra"] == SOURCE_DTYPE["search_dec"]
    assert _record_columns("select_candidates") != names


def test_a_transient_has_a_field_for_every_parameter():
    parameters = load_statement(_PACKAGE, "insert_transient").parameters
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
        query = call.args[0].value
        wanted = {each.name for each in load_statement(_PACKAGE, query).parameters}
        given = {keyword.arg for keyword in call.keywords}
        assert len(call.args) == 1, f"{query} is given values by position"
        if None in given:  # a ** of columns, which have their names
            assert given - {None} < wanted, query
        else:
            assert given == wanted, query
