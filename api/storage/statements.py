"""SQL statements whose parameters are passed by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from runtime.sql import load_query

__all__ = ["Statement", "load_statement"]

_PACKAGE = "api"
_PARAMETER = re.compile(r"^-- \$(\d+) +(\w+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the names of its parameters.

    Parameters
    ----------
    text : str
        The SQL, with its header comment.
    names : tuple of str
        Names of $1, $2, ... as the header comment gives them.
    """

    text: str
    names: tuple[str, ...]

    def to_arguments(self, parameters: Mapping[str, object]) -> list[object]:
        """Return the values of $1, $2, ...; a parameter that is not given is null.

        Raises
        ------
        TypeError
            If the statement has no parameter of a given name.
        """
        if unknown := parameters.keys() - set(self.names):
            raise TypeError(f"no parameter {sorted(unknown)}; the statement has {self.names}")
        return [parameters.get(name) for name in self.names]


@lru_cache(maxsize=64)
def load_statement(name: str) -> Statement:
    """Return the statement of ``api/queries/<name>.sql``."""
    text = load_query(_PACKAGE, name)
    found = {int(number): parameter for number, parameter in _PARAMETER.findall(text)}
    return Statement(text, tuple(found[number] for number in sorted(found)))
