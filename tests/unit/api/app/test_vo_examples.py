"""The examples of the Virtual Observatory are answers that its clients read."""

import io
from importlib.resources import files

import pytest
from astropy.io.votable import parse
from lxml import etree

from api.models.columns import CONE_SOURCES, CONE_TRANSIENTS
from tests.unit.api.app.test_openapi import contract

EXAMPLES = files("api") / "examples"
TABLES = ("search_sources", "search_transients", "query_sync", "search_images")


@pytest.mark.parametrize("name", TABLES)
def test_an_example_is_a_votable_with_rows(name: str) -> None:
    document = parse(io.BytesIO((EXAMPLES / f"{name}.vot").read_bytes()), verify="ignore")
    (table,) = document.iter_tables()
    assert document.version == "1.4"
    assert len(table.array) > 0
    infos = document.resources[0].infos
    assert "OK" in {info.value for info in infos if info.name == "QUERY_STATUS"}


@pytest.mark.parametrize(
    ("name", "columns"), [("search_sources", CONE_SOURCES), ("search_transients", CONE_TRANSIENTS)]
)
def test_an_example_of_a_cone_has_the_columns_of_the_service(name: str, columns: object) -> None:
    document = parse(io.BytesIO((EXAMPLES / f"{name}.vot").read_bytes()))
    (table,) = document.iter_tables()
    known = {column.name for column in columns}  # type: ignore[attr-defined]
    assert {field.name for field in table.fields} <= known


@pytest.mark.parametrize(
    "path",
    ["/vo/capabilities", "/vo/tap/capabilities", "/vo/sia/capabilities", "/vo/availability"],
)
def test_an_example_of_vosi_is_a_document_of_vosi(path: str) -> None:
    content = contract()["paths"][path]["get"]["responses"]["200"]["content"]
    root = etree.fromstring(content["application/xml"]["example"].encode())
    assert root.tag.startswith("{http://www.ivoa.net/xml/VOSI")
    assert len(root)
