"""ADQL becomes SQL: names, limits, geometry, functions, and where columns come from."""

import pytest

from api.errors import AdqlError
from api.steps.adql.geometry import PREDICATES, SHAPES, VALUES
from api.steps.adql.translation import translate
from api.steps.vosi import GEOMETRY
from tests.support.adql import CATALOGUE

_SELECT = "select {} from source"


def to_sql(query: str) -> str:
    return translate(query, CATALOGUE).sql


def test_tables_are_those_of_the_views_whatever_their_case() -> None:
    wanted = 'SELECT "source"."id" AS "id" FROM "vo"."source" AS "source" LIMIT 5'
    for query in ("select top 5 id from source", "SELECT TOP 5 ID FROM LiveTrap.Source"):
        assert to_sql(query) == wanted
    assert 'FROM "tap_schema"."columns"' in to_sql('select "size" from TAP_SCHEMA.columns')


def test_a_column_keeps_its_origin_through_subqueries() -> None:
    def origin(query: str) -> list[str | None]:
        return [each.name if each else None for each in translate(query, CATALOGUE).origins]

    assert origin("select eta as e, eta + 1 from source") == ["eta", None]
    assert origin("select q.e from (select eta as e from source) as q") == ["eta"]
    assert origin("with x as (select ra as r from source) select r from x") == ["ra"]


def test_columns_of_one_name_get_names_of_their_own() -> None:
    found = translate("select a.id, b.id from source a, source b", CATALOGUE)
    assert found.names == ("id", "id_2")


def test_a_cone_is_a_distance_and_on_the_catalogue_an_index_too() -> None:
    cone = "select {0} from {1} where 1 = contains(point({2}), circle(359.9, -10, 0.2))"
    catalogue = to_sql(cone.format("id", "source", "'ICRS', ra, dec"))
    assert "search_ra BETWEEN" in catalogue
    assert "SIND" in catalogue
    assert "search_ra" not in to_sql(cone.format("snr", "detection", "ra, dec"))
    inverse = cone.replace("1 =", "0 =").format("id", "source", "ra, dec")
    assert "WHERE (NOT " in to_sql(inverse)


@pytest.mark.parametrize(
    ("adql", "sql"),
    [
        ("log(eta)", "LN("),
        ("log10(eta)", "LOG("),
        ("round(eta, 2)", "ROUND(CAST("),
        ("truncate(eta)", "TRUNC(CAST("),
        ("mod(id, 2)", "MOD(CAST("),
        ("ceiling(eta)", "CEIL("),
        ("rand()", "RANDOM()"),
        ("count(distinct stream)", "COUNT(DISTINCT "),
        ("distance(point(ra, dec), point(1, 2))", "ASIND(SQRT("),
        ("coord1(point(ra, dec))", 'CAST("source"."ra" AS DOUBLE PRECISION)'),
        ("area(circle(1, 2, 3))", "COSD("),
        ("contains(point(ra, dec), box(1, 2, 3, 4))", "AS INT)"),
        ("stream || 'x'", "|| 'x'"),
    ],
)
def test_functions_are_those_of_postgresql(adql: str, sql: str) -> None:
    assert sql in to_sql(_SELECT.format(adql))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select nope from source", "nope"),
        ("select id from nowhere", "there is no table nowhere; there are ivoa.obscore"),
        ("select foo(id) from source", "there is no function FOO; there are ABS"),
        ("select sin() from source", "SIN: 0 arguments"),
        ("select id from source; select 1", "one SELECT"),
        ("select contains(1, 2) from source", "is no shape"),
    ],
)
def test_what_is_wrong_is_said(query: str, words: str) -> None:
    with pytest.raises(AdqlError, match=words):
        translate(query, CATALOGUE)


def test_the_capabilities_name_the_geometry_that_is_translated() -> None:
    assert set(GEOMETRY) == PREDICATES | SHAPES | VALUES
