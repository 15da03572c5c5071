"""A query is understood with bounded work, or refused: the API does nothing else meanwhile."""

import contextlib
import cProfile

import pytest

from api.errors import AdqlError
from api.steps.adql.translation import translate
from tests.support.adql import CATALOGUE
from tests.support.examples import some_of

LONGEST = 16_384
# About half a second; calls of C functions count, too.
MOST_CALLS = 5_000_000
_FROM = "select ra from livetrap.source where "
_CONE = "1 = contains(point(ra, dec), circle(1, 2, 3))"
# Beginning, what is repeated, what stands between, and end.
PARTS = {
    "or": (_FROM, "ra=1", " or ", ""),
    "and": (_FROM, "ra=1", " and ", ""),
    "not": (_FROM, "not", " ", " ra=1"),
    "sum": (_FROM + "ra=", "1", "+", ""),
    "minus": (_FROM + "ra=", "-", " ", "1"),
    "texts": ("select ", "'a'", "||", " from livetrap.source"),
    "columns": ("select ", "ra", ",", " from livetrap.source"),
    "stars": (
        "select ",
        "*",
        ",",
        " from " + ",".join(f"livetrap.source t{n}" for n in range(12)),
    ),
    "list": (_FROM + "ra in (", "1", ",", ")"),
    "cones": (_FROM, _CONE, " or ", ""),
    "cones that all contain": (_FROM, _CONE, " and ", ""),
    "distances": ("select ", "distance(ra, dec, 1, 2)", ",", " from livetrap.source"),
    "unions": ("", "select 1", " union all ", ""),
    "order": ("select ra from livetrap.source order by ", "ra", ",", ""),
    "groups": ("select ra from livetrap.source group by ", "ra", ",", ""),
    "dots": ("select ", "a", ".", " from livetrap.source"),
    "signs": ("select ra from livetrap.source where ra ", "<", "", "1"),
    "parentheses": (_FROM, "(", "", "ra=1"),
    "quotes": ("select ", '"', "", ""),
    "comments": ("select ra /*", "*/ /*", "", "*/ from livetrap.source"),
}


def count_calls(query: str) -> int:
    """Return how many calls of functions it takes to translate or refuse a query."""
    profile = cProfile.Profile()
    with contextlib.suppress(AdqlError):  # refused is as good
        profile.runcall(translate, query, CATALOGUE)
    return sum(function.callcount for function in profile.getstats())


@pytest.mark.parametrize("length", [LONGEST, LONGEST // 9])
@pytest.mark.parametrize("kind", some_of(list(PARTS)))
def test_the_work_is_bounded(kind: str, length: int) -> None:
    begin, repeated, between, end = PARTS[kind]
    n_times = (length - len(begin) - len(end)) // len(repeated + between)
    assert count_calls(begin + between.join([repeated] * n_times) + end) < MOST_CALLS


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (_FROM + " or ".join(["ra=1"] * 1000), "1500 words and signs"),
        ("select " + ",".join(["1"] * 201), "200 columns"),
        (_FROM + " or ".join([_CONE] * 41), "40 pairs of shapes"),
        (" union all ".join(["select 1"] * 41), "40 SELECTs"),
    ],
)
def test_what_asks_too_much_is_told_how_much_it_may(query: str, words: str) -> None:
    with pytest.raises(AdqlError, match=words):
        translate(query, CATALOGUE)


def test_a_list_of_three_thousand_values_is_no_such_query() -> None:
    query = _FROM + "ra in (" + ",".join(str(number) for number in range(3000)) + ")"
    assert len(query) < LONGEST
    assert translate(query, CATALOGUE).names == ("ra",)
