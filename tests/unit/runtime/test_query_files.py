"""The names in the header of each statement agree with what the statement does."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from runtime.sql import parse_parameters
from tests.support.sql_names import find_faults

_ROOT = Path(__file__).parents[3]
_FILES = sorted(
    path
    for package in ("api", "livetrap", "runtime", "services")
    for path in (_ROOT / package).rglob("queries/*.sql")
)
# Two names of one thing: subscriber.name and delivery.subscriber; why it failed last and for good.
_ALLOWED = {
    "advance_subscriber": "$2 is name in the header and ['subscriber'] in a select",
    "disable_subscriber": "set failure_reason: $3 is disabled_reason in the header",
}
_PARAMETER = re.compile(r"\$\d+")
_WRITES = re.compile(r"^ *(insert into|update|delete from) ", re.MULTILINE)


def _faults(path: Path, text: str) -> list[str]:
    return [fault for fault in find_faults(text) if fault != _ALLOWED.get(path.stem)]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_the_header_agrees_with_the_statement(path: Path):
    assert _faults(path, path.read_text()) == []


def _pairs(text: str) -> list[tuple[int, int]]:
    """Return the numbers of every two parameters of one type."""
    types = {number: each.type for number, each in enumerate(parse_parameters(text), start=1)}
    return [pair for pair in combinations(types, 2) if types[pair[0]] == types[pair[1]]]


@pytest.mark.parametrize(
    "path",
    [path for path in _FILES if _WRITES.search(text := path.read_text()) and _pairs(text)],
    ids=lambda path: path.stem,
)
def test_two_parameters_of_one_type_that_change_places_are_found(path: Path):
    text = path.read_text()
    for first, second in _pairs(text):
        assert _faults(path, _swap(text, first, second)) != [], f"${first} and ${second}"


def _swap(text: str, first: int, second: int) -> str:
    """Exchange two parameters in the statement, not in its header."""
    other = {f"${first}": f"${second}", f"${second}": f"${first}"}
    return "\n".join(
        line if line.startswith("--") else _PARAMETER.sub(lambda at: other.get(at[0], at[0]), line)
        for line in text.splitlines()
    )


_INSERT = """-- Insert.
--
-- $1  ra          float8[]  [deg]
-- $2  ra_err_deg  float8[]  [deg]
insert into source (ra, ra_err_deg)
select row_in.ra, row_in.ra_err_deg
from unnest($1::float8[], $2::float8[]) as row_in (ra, ra_err_deg)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ("(ra, ra_err_deg)\nselect", "(ra_err_deg, ra)\nselect", "ra goes into ra_err_deg"),
        ("row_in (ra, ra_err_deg)", "row_in (ra_err_deg, ra)", "unnest: ra goes into ra_err_deg"),
        ("select row_in.ra, row_in.ra_err_deg", "select row_in.ra_err_deg, row_in.ra", "ra_err_"),
        ("$1  ra   ", "$1  dec  ", "unnest: dec goes into ra"),
        ("$2::float8[]", "$2::float4[]", "is float8"),
        (", $2::float8[]", "", "the statement uses"),
    ],
)
def test_each_place_where_two_columns_can_change_places_is_read(
    right: str, wrong: str, fault: str
):
    assert find_faults(_INSERT) == []
    assert right in _INSERT
    assert any(fault in found for found in find_faults(_INSERT.replace(right, wrong)))
