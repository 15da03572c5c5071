"""ADQL into SQL: names are looked up in TAP_SCHEMA, geometry and functions are rewritten."""

from collections.abc import Iterator, Sequence

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

from api.errors import AdqlError
from api.models.tap import Catalogue, TapColumn, Translation
from api.steps.adql.cones import to_index_condition
from api.steps.adql.functions import check_type, to_sql_function
from api.steps.adql.geometry import PREDICATES, SHAPES, VALUES, to_condition, to_value
from api.steps.adql.grammar import Adql, parse

__all__ = ["translate"]

_DEFAULT_SCHEMA = "livetrap"
# A schema of PostgreSQL that is called as the user would come before all others.
_SQL_SCHEMAS = {"livetrap": "vo"}


def translate(query: str, catalogue: Catalogue) -> Translation:
    """Return a query of ADQL 2.1 as SQL of PostgreSQL.

    Parameters
    ----------
    query : str
        One SELECT.
    catalogue : Catalogue
        The tables that can be asked; nothing else is passed on.

    Raises
    ------
    AdqlError
        If it is not ADQL, names what does not exist, or is more than is answered here.
    """
    tree = _qualify(parse(query), catalogue)
    names = tuple(_name_columns(tree))
    origins = tuple(_find_origin(each, catalogue) for each in tree.selects)
    try:
        sql = _rewrite(tree).sql(dialect="postgres", comments=False)
    except (SqlglotError, RecursionError) as error:
        raise AdqlError(f"the query cannot be translated: {error}") from None
    return Translation(sql, names, origins)


def _qualify(tree: exp.Query, catalogue: Catalogue) -> exp.Query:
    """Return the query with the schema of each table and the table of each column."""
    known: dict[str, dict[str, dict[str, str]]] = {}
    for (schema, name), table in catalogue.tables.items():
        known.setdefault(schema, {})[name] = dict.fromkeys(table.columns, "text")
    _lower_names(tree)
    _check_tables(tree, known)
    try:
        qualified = qualify(
            tree, dialect=Adql, db=_DEFAULT_SCHEMA, schema={**known}, quote_identifiers=True
        )
    except (SqlglotError, RecursionError) as error:
        raise AdqlError(str(error).partition("\n")[0]) from None
    if not isinstance(qualified, exp.Query):
        raise AdqlError("write a SELECT")
    return qualified


def _lower_names(tree: exp.Query) -> None:
    """Write the names of tables in lower case: TAP_SCHEMA is written in either."""
    for table in tree.find_all(exp.Table):
        for part in ("this", "db"):
            if isinstance(table.args.get(part), exp.Identifier):
                identifier = table.args[part]
                identifier.set("this", str(identifier.this).lower())


def _check_tables(tree: exp.Query, known: dict[str, dict[str, dict[str, str]]]) -> None:
    defined = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not table.db and table.name in defined:
            continue
        if table.name not in known.get(table.db or _DEFAULT_SCHEMA, {}):
            offer = sorted(f"{schema}.{name}" for schema in known for name in known[schema])
            raise AdqlError(
                f"there is no table {table.db + '.' if table.db else ''}{table.name}; "
                f"there are {', '.join(offer)}"
            )


def _name_columns(tree: exp.Query) -> Iterator[str]:
    """Give each column of the answer a name of its own."""
    taken: set[str] = set()
    for each in tree.selects:
        name = each.alias_or_name or "column"
        number = 2
        while name.lower() in taken:
            name, number = f"{each.alias_or_name}_{number}", number + 1
        taken.add(name.lower())
        yield name


def _find_origin(node: exp.Expr, catalogue: Catalogue) -> TapColumn | None:
    """Return the column of a table that a column of a select is, through subqueries."""
    column = node.unalias()
    select = node.find_ancestor(exp.Select)
    if not isinstance(column, exp.Column) or select is None:
        return None
    for source in _sources(select):
        if source.alias_or_name != column.table:
            continue
        if isinstance(source, exp.Subquery):
            return _find_in(source.this, column.name, catalogue)
        if isinstance(source, exp.Table) and source.db:
            table = catalogue.tables.get((source.db, source.name))
            return None if table is None else table.columns.get(column.name)
        for cte in select.root().find_all(exp.CTE):
            if cte.alias == source.name:
                return _find_in(cte.this, column.name, catalogue)
    return None


def _sources(select: exp.Select) -> Iterator[exp.Expr]:
    if select.args.get("from_"):
        yield select.args["from_"].this
    for join in select.args.get("joins") or ():
        yield join.this


def _find_in(query: exp.Expr, name: str, catalogue: Catalogue) -> TapColumn | None:
    selects: Sequence[exp.Expr] = query.selects if isinstance(query, exp.Query) else ()
    for each in selects:
        if each.alias_or_name == name:
            return _find_origin(each, catalogue)
    return None


def _rewrite(tree: exp.Query) -> exp.Query:
    for data_type in tree.find_all(exp.DataType):
        check_type(data_type)
    calls = [node for node in tree.walk() if isinstance(node, exp.Anonymous)]
    # Arguments before the function that has them.
    for node in reversed(calls):
        _rewrite_call(node)
    for node in tree.find_all(exp.Anonymous):
        if str(node.this).upper() in SHAPES:
            raise AdqlError(f"{node.this}: shapes stand in CONTAINS, INTERSECTS and the like only")
    for table in tree.find_all(exp.Table):
        if table.db in _SQL_SCHEMAS:
            table.set("db", exp.to_identifier(_SQL_SCHEMAS[table.db], quoted=True))
    return tree


def _rewrite_call(node: exp.Anonymous) -> None:
    """Replace the call of a function, and the comparison of a predicate with 1 or 0."""
    name = str(node.this).upper()
    if name in SHAPES:
        return
    if name in VALUES:
        node.replace(to_value(node))
    elif name in PREDICATES:
        _rewrite_predicate(node)
    else:
        node.replace(to_sql_function(node))


def _rewrite_predicate(node: exp.Anonymous) -> None:
    parent = node.parent
    number = _compared_with(node)
    if number is None or parent is None:
        node.replace(exp.cast(exp.Paren(this=to_condition(node)), "int"))
        return
    condition = exp.Paren(this=exp.and_(to_index_condition(node), to_condition(node), copy=False))
    if (number == "1") == isinstance(parent, exp.EQ):
        parent.replace(condition)
    else:
        parent.replace(exp.Paren(this=exp.Not(this=condition)))


def _compared_with(node: exp.Anonymous) -> str | None:
    """Return the 0 or 1 that a predicate is compared with; None if it is not."""
    parent = node.parent
    if not isinstance(parent, exp.EQ | exp.NEQ):
        return None
    other = parent.expression if parent.this is node else parent.this
    if not isinstance(other, exp.Literal):
        return None
    if other.is_string or str(other.this) not in {"0", "1"}:
        raise AdqlError(f"{node.this} is 0 or 1")
    return str(other.this)
