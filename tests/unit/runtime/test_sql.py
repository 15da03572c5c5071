"""Statements get their parameters by name."""

import pytest

from runtime.sql import Parameter, Statement, load_statement, parse_parameters

_HEADER = """-- Move a source.
--
-- $1  id   bigint[]
-- $2  ra   float8[]  [deg]
-- $3  dec  float8[]  of its centre [deg]
-- Index: the primary key; $2 costs nothing.
"""


def statement() -> Statement:
    return Statement(_HEADER, parse_parameters(_HEADER))


def test_the_header_names_the_parameters():
    assert parse_parameters(_HEADER) == (
        Parameter("id", "bigint[]"), Parameter("ra", "float8[]"), Parameter("dec", "float8[]"),
    )  # fmt: skip


def test_values_are_ordered_by_the_header_whatever_the_order_of_the_names():
    assert statement().to_arguments({"dec": 3, "id": 1, "ra": 2}) == [1, 2, 3]


def test_an_unknown_name_is_an_error():
    with pytest.raises(TypeError, match=r"no parameter \['decl'\]; the statement has \['id'"):
        statement().to_arguments({"id": 1, "ra": 2, "dec": 3, "decl": 4})


def test_a_narrowed_statement_has_its_parameters_and_the_named_columns_alone():
    whole = statement()
    narrow = whole.narrowed(["ra", 'a "b"'])
    assert narrow.parameters == whole.parameters
    before, after = narrow.text.split(whole.text)
    assert before == 'select "ra", "a ""b""" from (\n'
    assert after == "\n) as whole"


def test_a_missing_value_is_an_error_unless_null_is_meant():
    with pytest.raises(TypeError, match=r"no value for the parameters \['dec'\]"):
        statement().to_arguments({"id": 1, "ra": 2})
    assert statement().to_arguments({"id": 1, "ra": 2}, missing_is_null=True) == [1, 2, None]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("-- $1  ra  float8\n-- $3  dec  float8\n", "not numbered from"),
        ("-- $1  ra  float8\n-- $2  ra  float8\n", "one name"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(header: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_parameters(header)


def test_a_statement_is_loaded_with_its_parameters():
    loaded = load_statement("runtime", "try_advisory_lock")
    assert loaded.text.startswith("-- ")
    assert all(f"${number}" in loaded.text for number in range(1, len(loaded.parameters) + 1))
