"""Compare the names in a statement's header with the columns that its parameters reach.

PostgreSQL checks types; two parameters of one type that have changed places pass it. Here the
names must agree all the way: header, aliases of ``unnest``, select lists, columns of ``insert``
and of ``update``.
"""

import re
from collections.abc import Iterator

from runtime.sql import parse_parameters

__all__ = ["find_faults"]

_COMMENT = re.compile(r"--[^\n]*")
_PARAMETER = re.compile(r"\$(\d+)")
_CAST = r"(?:::(\w+(?:\[\])?))?"
_LONE_PARAMETER = re.compile(rf"\$(\d+){_CAST}(?:::\w+)?")
# One element of an array, with a default or a null for it or not.
_ELEMENT = re.compile(r"(?:\w+\()?\(\$(\d+)::\w+\[\]\)\[[^\]]+\][^$]* as (\w+)")
_COLUMN = re.compile(r"\w+\.(\w+)")
_ALIAS = re.compile(r".* as (\w+)", re.DOTALL)
_COMPARISON = re.compile(r"\w+\.(\w+) = (?:any\()?\$(\d+)")


def find_faults(text: str) -> list[str]:
    """Return what is wrong with the parameters of a statement, one line a fault."""
    try:
        parameters = parse_parameters(text)
    except ValueError as error:
        return [str(error)]
    body = " ".join(_COMMENT.sub("", text).split())
    names = {number + 1: each.name for number, each in enumerate(parameters)}
    types = {number + 1: each.type for number, each in enumerate(parameters)}
    used = {int(number) for number in _PARAMETER.findall(body)}
    if used != set(names):
        return [f"the header describes {sorted(names)}, the statement uses {sorted(used)}"]
    return [
        *_find_wrong_types(body, types),
        *_find_wrong_unnests(body, names),
        *_find_wrong_inserts(body, names),
        *_find_wrong_aliases(body, names),
        *_find_wrong_updates(body, names),
        *_find_wrong_comparisons(body, names),
    ]


def _find_wrong_types(body: str, types: dict[int, str]) -> Iterator[str]:
    casts: dict[int, set[str]] = {}
    for number, kind in re.findall(r"\$(\d+)::(\w+(?:\[\])?)", body):
        casts.setdefault(int(number), set()).add(kind)
    for number, kinds in casts.items():
        if types[number] not in kinds:
            yield f"${number} is {types[number]} in the header, {sorted(kinds)} in the statement"


def _find_wrong_unnests(body: str, names: dict[int, str]) -> Iterator[str]:
    for found in re.finditer(r"\bunnest\(", body):
        arguments, end = _read_list(body, found.end())
        alias = re.match(r" (?:with ordinality )?as \w+ \(", body[end:])
        if alias is None:
            continue
        columns, _ = _read_list(body, end + alias.end())
        for argument, column in zip(arguments, columns, strict=False):
            yield from _compare(argument, column, names, "unnest")


def _find_wrong_inserts(body: str, names: dict[int, str]) -> Iterator[str]:
    for found in re.finditer(r"\binsert into (\w+) \(", body):
        columns, end = _read_list(body, found.end())
        rest = re.match(r" (?:overriding system value )?(values \(|select )", body[end:])
        if rest is None:
            yield f"{found[0]}...): neither values nor select follows"
            continue
        is_select = rest[1] == "select "
        values, _ = _read_list(body, end + rest.end(), stop="from" if is_select else None)
        if len(values) != len(columns):
            yield f"insert into {found[1]}: {len(columns)} columns, {len(values)} values"
        for value, column in zip(values, columns, strict=False):
            yield from _compare(value, column, names, f"insert into {found[1]}")


def _compare(value: str, column: str, names: dict[int, str], where: str) -> Iterator[str]:
    """Check that a value that has a name goes into the column of that name."""
    if lone := _LONE_PARAMETER.fullmatch(value):
        name = names[int(lone[1])]
    elif (element := _ELEMENT.fullmatch(value)) and element[2] == column:
        name = names[int(element[1])]
    elif found := _COLUMN.fullmatch(value) or _ALIAS.fullmatch(value):
        name = found[1]
    else:
        return
    if name != column and not (name == "id" and column.endswith("_id")):
        yield f"{where}: {name} goes into {column}"


def _find_wrong_aliases(body: str, names: dict[int, str]) -> Iterator[str]:
    aliases: dict[int, set[str]] = {}
    for number, _, alias in re.findall(rf"(?:select|,) \$(\d+){_CAST} as (\w+)", body):
        aliases.setdefault(int(number), set()).add(alias)
    for number, found in aliases.items():
        if names[number] not in found:
            yield f"${number} is {names[number]} in the header and {sorted(found)} in a select"


def _find_wrong_updates(body: str, names: dict[int, str]) -> Iterator[str]:
    for found in re.finditer(r"\bset (?!local\b)", body):
        assignments, _ = _read_list(body, found.end(), stop="where|from|returning")
        for assignment in assignments:
            column, _, value = assignment.partition(" = ")
            numbers = {int(number) for number in _PARAMETER.findall(value)}
            if not numbers:
                yield from _compare(value, column, names, "set")
            elif len(numbers) == 1 and "case" not in value and names[min(numbers)] != column:
                yield f"set {column}: ${min(numbers)} is {names[min(numbers)]} in the header"


def _find_wrong_comparisons(body: str, names: dict[int, str]) -> Iterator[str]:
    for column, number in _COMPARISON.findall(body):
        if column in names.values() and names[int(number)] != column:
            yield f"{column} is compared with ${number}, which is {names[int(number)]}"


def _read_list(body: str, start: int, *, stop: str | None = None) -> tuple[list[str], int]:
    """Return the items of a list up to its closing parenthesis or a keyword, and where it ends."""
    items, depth, begin, end = [], 0, start, len(body)
    for found in re.finditer(rf"[()\[\],]|\b(?:{stop})\b" if stop else r"[()\[\],]", body[start:]):
        sign, position = found[0], start + found.start()
        if depth == 0 and sign not in "([,":
            end = position
            break
        if depth == 0 and sign == ",":
            items.append(body[begin:position].strip())
            begin = position + 1
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
    return [*items, body[begin:end].strip()], end + 1
