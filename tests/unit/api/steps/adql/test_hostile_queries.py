"""None of the hostile queries is translated, and what is names nothing but the views."""

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from api.errors import AdqlError
from api.steps.adql.translation import translate
from tests.support.adql import CATALOGUE, hostile_queries

_QUERIES = list(hostile_queries())
_SCHEMAS = {"vo", "ivoa", "tap_schema"}


def test_there_are_at_least_two_hundred() -> None:
    assert len(set(_QUERIES)) >= 200


@pytest.mark.parametrize("query", _QUERIES, ids=range(len(_QUERIES)))
def test_a_hostile_query_is_refused_in_words(query: str) -> None:
    with pytest.raises(AdqlError, match=r"\w+ .*\w+"):
        translate(query, CATALOGUE)


_WORDS = st.sampled_from(
    ["select", "from", "source", "detection", "id", "ra", "*", ",", "(", ")", "where", "=", "1",
     "'x'", "top", "as", "union", "join", "on", "and", "pg_authid", "public", ".", ";", "--", "/*",
     "contains", "point", "circle", "with", "in", "exists", '"', "'", "::", "$$", "cast", "int"]
)  # fmt: skip


@given(words=st.lists(_WORDS, max_size=14))
def test_any_words_are_refused_or_become_a_select_on_views(words: list[str]) -> None:
    try:
        sql = translate("select " + " ".join(words), CATALOGUE).sql
    except AdqlError:
        return
    (tree,) = sqlglot.parse(sql, dialect="postgres")
    assert isinstance(tree, exp.Query)
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        assert table.db in _SCHEMAS or table.name in named
