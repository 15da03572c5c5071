"""The grammar of ADQL 2.1: sqlglot's, of which only what is listed here passes.

Every function is parsed alike, by its name: which there are is decided in `functions` and
`geometry`.
"""

from typing import Any, ClassVar

import sqlglot
from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from api.errors import AdqlError

__all__ = ["Adql", "parse"]

_MAX_CHARACTERS = 16_384
_MAX_DEPTH = 40
_MAX_TABLES = 12
# The time to understand a query grows with the square of these: half a second at most.
_MAX_WORDS = 1500
_MAX_COLUMNS = 200
# Each is all columns of all tables beside it.
_MAX_STARS = 12
_MAX_PREDICATES = 40
_MAX_SELECTS = 40
_VALUES = {TokenType.NUMBER, TokenType.STRING, TokenType.COMMA}
_GEOMETRY = {"CONTAINS", "INTERSECTS", "DISTANCE"}
_OPENING = (TokenType.L_PAREN,)
_CLOSING = (TokenType.R_PAREN,)


class Adql(Dialect):
    """ADQL, as sqlglot reads it."""

    TYPED_DIVISION = True
    NULL_ORDERING = "nulls_are_large"

    class Tokenizer(tokens.Tokenizer):
        """Words and signs."""

        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            **tokens.Tokenizer.KEYWORDS,
            "TOP": TokenType.TOP,
        }

    class Parser(parser.Parser):
        """No function has a syntax of its own, but CAST."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            "CAST": parser.Parser.FUNCTION_PARSERS["CAST"]
        }
        NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {}


_BINARY = {"this", "expression"}
_SET = {"this", "expression", "distinct", "with_", "limit", "offset", "order"}
# What each part of a query may have; everything else is refused.
_ALLOWED: dict[type[exp.Expr], set[str]] = {
    exp.Select: {
        "with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "order",
        "limit", "offset",
    },
    exp.Union: _SET,
    exp.Except: _SET,
    exp.Intersect: _SET,
    exp.Subquery: {"this", "alias"},
    exp.With: {"expressions"},
    exp.CTE: {"this", "alias"},
    exp.From: {"this"},
    exp.Join: {"this", "on", "using", "side", "kind"},
    exp.Table: {"this", "db", "alias", "joins"},
    exp.TableAlias: {"this"},
    exp.Alias: {"this", "alias"},
    exp.Column: {"this", "table", "db"},
    exp.Identifier: {"this", "quoted"},
    exp.Star: set(),
    exp.Literal: {"this", "is_string"},
    exp.Null: set(),
    exp.Where: {"this"},
    exp.Having: {"this"},
    exp.Group: {"expressions"},
    exp.Order: {"expressions"},
    exp.Ordered: {"this", "desc", "nulls_first"},
    exp.Limit: {"expression"},
    exp.Offset: {"expression"},
    exp.Distinct: {"expressions"},
    exp.Paren: {"this"},
    exp.Tuple: {"expressions"},
    exp.Anonymous: {"this", "expressions"},
    exp.Cast: {"this", "to"},
    exp.DataType: {"this", "expressions", "nested"},
    exp.DataTypeParam: {"this"},
    exp.Not: {"this"},
    exp.Neg: {"this"},
    exp.Exists: {"this"},
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions", "query"},
    exp.DPipe: {"this", "expression", "safe"},
    exp.Div: {"this", "expression", "typed", "safe"},
    **dict.fromkeys(
        (
            exp.And, exp.Or, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.Like,
            exp.ILike, exp.Add, exp.Sub, exp.Mul,
        ),
        _BINARY,
    ),
}  # fmt: skip


def parse(query: str) -> exp.Query:
    """Return a query as a tree that has nothing but parts of ADQL.

    Parameters
    ----------
    query : str
        One SELECT.

    Returns
    -------
    exp.Query
        A select, or a union, difference or intersection.

    Raises
    ------
    AdqlError
        If it is not ADQL, or more than is answered here.
    """
    if len(query) > _MAX_CHARACTERS:
        raise AdqlError(f"the query may have {_MAX_CHARACTERS} characters")
    if "\0" in query:
        raise AdqlError("the query has a NUL character")
    try:
        _check_words(query)
        trees = sqlglot.parse(query, dialect=Adql)
    except (SqlglotError, RecursionError) as error:
        raise AdqlError(f"not ADQL: {_first_line(error)}") from None
    if len(trees) != 1:
        raise AdqlError("write one SELECT, and nothing after it")
    tree = trees[0]
    if not isinstance(tree, exp.Query) or isinstance(tree, exp.Subquery):
        raise AdqlError("write a SELECT")
    _check(tree)
    return tree


def _first_line(error: Exception) -> str:
    """Return what sqlglot says, without its picture of the place."""
    return str(error).partition("\n")[0].strip() or "nothing is there"


def _check_words(query: str) -> None:
    depth, n_words = 0, 0
    for token in Adql().tokenize(query):
        n_words += token.token_type not in _VALUES
        if n_words > _MAX_WORDS:
            raise AdqlError(f"a query may have {_MAX_WORDS} words and signs besides its values")
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth > _MAX_DEPTH:
            raise AdqlError(f"parentheses may be {_MAX_DEPTH} deep")


def _check(tree: exp.Expr) -> None:
    n_tables, n_selects, n_predicates, n_stars = 0, 0, 0, 0
    for node in tree.walk():
        allowed = _ALLOWED.get(type(node))
        if allowed is None:
            raise AdqlError(f"{_name(node)} is not a part of ADQL as it is understood here")
        for name, value in node.args.items():
            if name not in allowed and value not in (None, False, [], ()):
                raise AdqlError(f"{_name(node)} with {name.strip('_')} is not understood here")
        n_tables += isinstance(node, exp.Table)
        n_selects += isinstance(node, exp.Select)
        n_stars += isinstance(node, exp.Star) and not isinstance(node.parent, exp.Anonymous)
        n_predicates += isinstance(node, exp.Anonymous) and str(node.this).upper() in _GEOMETRY
        _check_details(node)
    if n_tables > _MAX_TABLES:
        raise AdqlError(f"a query may name {_MAX_TABLES} tables")
    if n_stars > _MAX_STARS:
        raise AdqlError(f"a query may have {_MAX_STARS} times *; name the columns")
    if n_selects > _MAX_SELECTS:
        raise AdqlError(f"a query may have {_MAX_SELECTS} SELECTs")
    if n_predicates > _MAX_PREDICATES:
        raise AdqlError(f"a query may compare {_MAX_PREDICATES} pairs of shapes; write a join")


def _check_details(node: exp.Expr) -> None:
    if isinstance(node, exp.Select) and not node.expressions:
        raise AdqlError("SELECT: write columns, or *")
    if isinstance(node, exp.Select) and len(node.expressions) > _MAX_COLUMNS:
        raise AdqlError(f"SELECT: at most {_MAX_COLUMNS} columns")
    if isinstance(node, exp.CTE | exp.Subquery) and not isinstance(node.this, exp.Query):
        raise AdqlError("write a SELECT between the parentheses")
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        raise AdqlError("FROM: write names of tables; tables made by functions do not exist")
    if isinstance(node, exp.Limit | exp.Offset) and not _is_count(node.expression):
        raise AdqlError("TOP, OFFSET: write a whole number")


def _is_count(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdecimal()


def _name(node: exp.Expr) -> str:
    return type(node).__name__.upper()
