"""Every statement is given its parameters by name, and no value under another one's name."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from runtime.sql import load_statement

_ROOT = Path(__file__).parents[3]
_METHODS = {"fetch", "fetchrow", "fetchval", "execute"}
_PACKAGES = {
    "services/alert": "services.alert",
    "services/distribute": "services.distribute",
    "livetrap/operator": "livetrap.operator",
    "livetrap/stream_replay": "livetrap.stream_replay",
    "livetrap/database": "livetrap.database",
    "runtime": "runtime",
}
# The conditions of its statement are made from rules, which number the parameters.
_GENERATED = _ROOT / "livetrap/rule_replay/past_events.py"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `runtime.sql.Queries` in the source."""

    query: str
    keywords: list[ast.keyword]
    names: list[str]


def read_calls(source: str, package: str) -> Iterator[Call]:
    """Yield the calls that run a statement of a package, the one that the source names if any."""
    named = re.search(r'^_QUERIES = Queries\("([\w.]+)"\)$', source, re.MULTILINE)
    package = named[1] if named else package
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _METHODS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "_QUERIES"
        ):
            query = ast.literal_eval(node.args[1])
            names = [each.name for each in load_statement(package, query).parameters]
            yield Call(query, node.keywords, names)


def find_faults(call: Call) -> list[str]:
    """Return what is wrong with the values of a call, one line a fault."""
    given = {keyword.arg for keyword in call.keywords}
    if None not in given and given != set(call.names):
        return [f"{call.query} has {call.names}, and is given {sorted(map(str, given))}"]
    return [
        f"{call.query}: {name} is given as {keyword.arg}"
        for keyword in call.keywords
        for name in _last_names(keyword.value) & set(call.names)
        if keyword.arg not in (None, name)
    ]


def _last_names(value: ast.expr) -> set[str]:
    """Return the names that a value ends in: `ra` of ``each.ra`` and ``list(ra)``."""
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return {name}
        case ast.Call(args=[argument]):
            return _last_names(argument)
        case ast.ListComp(elt=element):
            return _last_names(element)
    return set()


@cache
def _all_calls() -> list[Call]:
    return [
        call
        for folder, package in _PACKAGES.items()
        for path in sorted((_ROOT / folder).rglob("*.py"))
        if "_QUERIES" in (source := path.read_text(encoding="utf-8"))  # the rest has no calls
        for call in read_calls(source, package)
    ]


def test_every_call_gives_each_parameter_under_its_name():
    calls = _all_calls()
    assert len(calls) > 35
    assert [fault for call in calls for fault in find_faults(call)] == []


def test_every_statement_of_these_rooms_is_called():
    called = {call.query for call in _all_calls()}
    files = {path.stem for folder in _PACKAGES for path in (_ROOT / folder).rglob("queries/*.sql")}
    assert {name for name in files - called if not name.startswith("export_")} == set()


@pytest.mark.parametrize(
    "call",
    [call for call in _all_calls() if any(_last_names(each.value) for each in call.keywords)],
    ids=lambda call: call.query,
)
def test_a_value_under_the_name_of_another_parameter_is_found(call: Call):
    for first in call.keywords:
        for second in call.keywords:
            swapped = [
                ast.keyword(first.arg, second.value),
                ast.keyword(second.arg, first.value),
                *[each for each in call.keywords if each not in (first, second)],
            ]
            has_name = first.arg in _last_names(first.value)
            # What `**` gives has no name of its own.
            if has_name and first is not second and second.arg is not None:
                assert find_faults(Call(call.query, swapped, call.names)) != []


@pytest.mark.parametrize("folder", ["services/alert", "services/distribute", "livetrap"])
def test_no_statement_is_given_values_by_position(folder: str):
    positional = [
        f"{path.relative_to(_ROOT)}:{node.lineno}"
        for path in (_ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _METHODS
        and len(node.args) > 1
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "_QUERIES")
        and path != _GENERATED
    ]
    assert positional == []
