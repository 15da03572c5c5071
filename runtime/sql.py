"""SQL statements, one a file beside the code that runs them; parameters are passed by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

    _Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

__all__ = ["Parameter", "Queries", "Statement", "load_statement", "parse_parameters"]

_HEADER_LINE = re.compile(r"^-- \$(\d+) +(\w+) +(\w+(?:\[\])?)(?= |$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter, as a line of the header describes it: ``-- $3  ra  float8[]  [deg]``."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and its parameters.

    Parameters
    ----------
    text : str
        The SQL, with its header comment.
    parameters : tuple of Parameter
        $1, $2, ... in this order.
    """

    text: str
    parameters: tuple[Parameter, ...]
    _names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note the names, which every call needs."""
        names = tuple(parameter.name for parameter in self.parameters)
        object.__setattr__(self, "_names", names)

    def to_arguments(
        self, values: Mapping[str, object], *, missing_is_null: bool = False
    ) -> list[object]:
        """Return the values of $1, $2, ... from values by name.

        Parameters
        ----------
        values : mapping
            Value of each parameter by its name in the header.
        missing_is_null : bool
            Whether a parameter without a value is null; else it is an error.

        Raises
        ------
        TypeError
            If the statement has no parameter of a given name, or one has no value.
        """
        names = self._names
        missing = [name for name in names if name not in values]
        if len(values) > len(names) - len(missing):
            unknown = sorted(values.keys() - set(names))
            raise TypeError(f"no parameter {unknown}; the statement has {list(names)}")
        if missing and not missing_is_null:
            raise TypeError(f"no value for the parameters {missing}")
        return [values.get(name) for name in names]

    def narrowed(self, columns: Sequence[str]) -> "Statement":
        """Return the statement with some of its columns alone, which PostgreSQL then computes.

        Parameters
        ----------
        columns : sequence of str
            Names, as the statement has them.
        """
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        return replace(self, text=f"select {names} from (\n{self.text}\n) as whole")  # noqa: S608  (quoted)


def parse_parameters(text: str) -> tuple[Parameter, ...]:
    """Return the parameters that the header of a statement describes.

    Raises
    ------
    ValueError
        If they are not numbered $1, $2, ... in this order, or two have one name.
    """
    found = _HEADER_LINE.findall(text)
    if [int(number) for number, _, _ in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"parameters of the header are not numbered from $1 on: {found}")
    parameters = tuple(Parameter(name, kind) for _, name, kind in found)
    if len({parameter.name for parameter in parameters}) != len(parameters):
        raise ValueError(f"two parameters of the header have one name: {found}")
    return parameters


@lru_cache(maxsize=256)
def load_statement(package: str, name: str) -> Statement:
    """Return the statement of ``<package>/queries/<name>.sql`` with its parameters.

    Parameters
    ----------
    package : str
        Import name of the package, such as ``services.associate``.
    name : str
        File name without its ending, ``verb_noun``.

    Raises
    ------
    ValueError
        As of `parse_parameters`.
    """
    text = (files(package) / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    return Statement(text, parse_parameters(text))


class Queries:
    """The statements of a package, run with their parameters by name.

    Every method takes a connection, the name of a file of ``<package>/queries``, and the values
    of all its parameters; it does and raises what asyncpg's method of the same name does, and
    raises TypeError for a wrong or missing name (see `Statement.to_arguments`).

    Parameters
    ----------
    package : str
        Import name of the package, such as ``services.distribute``.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    async def fetch(
        self, connection: "_Connection", query: str, /, **values: object
    ) -> "list[asyncpg.Record]":
        """Return all rows."""
        statement = load_statement(self._package, query)
        rows: list[asyncpg.Record] = await connection.fetch(
            statement.text, *statement.to_arguments(values)
        )
        return rows

    async def fetchrow(
        self, connection: "_Connection", query: str, /, **values: object
    ) -> "asyncpg.Record | None":
        """Return the first row, None if there is none."""
        statement = load_statement(self._package, query)
        row: asyncpg.Record | None = await connection.fetchrow(
            statement.text, *statement.to_arguments(values)
        )
        return row

    async def fetchval(self, connection: "_Connection", query: str, /, **values: object) -> Any:
        """Return the first column of the first row, None if there is none."""
        statement = load_statement(self._package, query)
        return await connection.fetchval(statement.text, *statement.to_arguments(values))

    async def execute(self, connection: "_Connection", query: str, /, **values: object) -> str:
        """Run the statement; return its status, such as ``DELETE 3``."""
        statement = load_statement(self._package, query)
        return str(await connection.execute(statement.text, *statement.to_arguments(values)))
