"""The functions and types of ADQL that are none of geometry."""

from collections.abc import Callable, Sequence

from sqlglot import exp

from api.errors import AdqlError

__all__ = ["FUNCTION_NAMES", "call", "check_type", "to_sql_function"]

_MAX_TEXT = 1000
# Name in PostgreSQL, least and greatest number of arguments.
_SIMPLE = {
    "ABS": ("abs", 1, 1),
    "ACOS": ("acos", 1, 1),
    "ASIN": ("asin", 1, 1),
    "ATAN": ("atan", 1, 1),
    "ATAN2": ("atan2", 2, 2),
    "AVG": ("avg", 1, 1),
    "CEILING": ("ceil", 1, 1),
    "COALESCE": ("coalesce", 1, 20),
    "COS": ("cos", 1, 1),
    "COT": ("cot", 1, 1),
    "COUNT": ("count", 1, 1),
    "DEGREES": ("degrees", 1, 1),
    "EXP": ("exp", 1, 1),
    "FLOOR": ("floor", 1, 1),
    "LOG": ("ln", 1, 1),
    "LOG10": ("log", 1, 1),
    "LOWER": ("lower", 1, 1),
    "MAX": ("max", 1, 1),
    "MIN": ("min", 1, 1),
    "PI": ("pi", 0, 0),
    "POWER": ("power", 2, 2),
    "RADIANS": ("radians", 1, 1),
    "RAND": ("random", 0, 1),
    "SIN": ("sin", 1, 1),
    "SQRT": ("sqrt", 1, 1),
    "SUM": ("sum", 1, 1),
    "TAN": ("tan", 1, 1),
    "UPPER": ("upper", 1, 1),
}
# PostgreSQL has these for numeric only.
_EXACT = {"MOD": ("mod", 2, 2), "ROUND": ("round", 1, 2), "TRUNCATE": ("trunc", 1, 2)}
FUNCTION_NAMES = frozenset({*_SIMPLE, *_EXACT})
_TYPES = {
    exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.FLOAT, exp.DType.DOUBLE,
    exp.DType.CHAR, exp.DType.VARCHAR, exp.DType.TIMESTAMP,
}  # fmt: skip


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """Return a call of a function of PostgreSQL."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def to_sql_function(node: exp.Anonymous) -> exp.Expr:
    """Return the call of a function of ADQL as one of PostgreSQL.

    Parameters
    ----------
    node : exp.Anonymous
        The call.

    Raises
    ------
    AdqlError
        If there is no such function, or it has other arguments.
    """
    name = str(node.this).upper()
    arguments: Sequence[exp.Expr] = node.expressions
    if name in _SIMPLE:
        sql_name, least, most = _SIMPLE[name]
        build: Callable[..., exp.Expr] = call
    elif name in _EXACT:
        sql_name, least, most = _EXACT[name]
        build = _call_exact
    else:
        raise AdqlError(f"there is no function {name}; there are {', '.join(_offer())}")
    if not least <= len(arguments) <= most:
        raise AdqlError(f"{name}: {len(arguments)} arguments; it has {least} to {most}")
    _check_arguments(name, arguments)
    return build(sql_name, *(() if name == "RAND" else arguments))


def _offer() -> list[str]:
    return sorted(FUNCTION_NAMES)


def _check_arguments(name: str, arguments: Sequence[exp.Expr]) -> None:
    for argument in arguments:
        if isinstance(argument, exp.Star) and name != "COUNT":
            raise AdqlError(f"{name}(*): only COUNT counts rows")
        if isinstance(argument, exp.Distinct) and name not in {"COUNT", "SUM", "AVG"}:
            raise AdqlError(f"{name}: DISTINCT is for COUNT, SUM and AVG")


def _call_exact(name: str, first: exp.Expr, *others: exp.Expr) -> exp.Expr:
    second = [exp.cast(each, "numeric" if name == "mod" else "int") for each in others]
    return exp.cast(call(name, exp.cast(first, "numeric"), *second), "double precision")


def check_type(node: exp.DataType) -> None:
    """Refuse a type of CAST that ADQL has not, and texts that would fill the memory.

    Raises
    ------
    AdqlError
        If it is one.
    """
    if node.this not in _TYPES:
        raise AdqlError("CAST: write SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, CHAR or TIMESTAMP")
    for parameter in node.expressions:
        size = str(parameter.this.this)
        if not size.isdecimal() or not 0 < int(size[:9]) <= _MAX_TEXT:
            raise AdqlError(f"CAST: a text has 1 to {_MAX_TEXT} characters")
