"""Documents of VOSI and DALI: what is in them, and that they are XML."""

from lxml import etree

from api.models.tap import Catalogue, TapColumn, TapKey, TapTable
from api.steps.tap_examples import EXAMPLES, write_examples
from api.steps.vosi import write_tables, write_tap_capabilities


def test_tables_have_their_references() -> None:
    table = TapTable("s", "a", "table", None, "A & B", {"x": TapColumn("x", "int")})
    key = TapKey("s.a", "s.b", "to <b>", (("x", "id"), ("y", "z")))
    catalogue = Catalogue({"s": "S"}, {("s", "a"): table}, (key,))
    document = etree.fromstring(write_tables(catalogue).encode())
    (found,) = document.iter("foreignKey")
    assert found.findtext("targetTable") == "s.b"
    assert [each.findtext("fromColumn") for each in found.iter("fkColumn")] == ["x", "y"]
    assert [each.findtext("targetColumn") for each in found.iter("fkColumn")] == ["id", "z"]


def test_the_duration_of_a_job_is_a_plain_number() -> None:
    document = etree.fromstring(write_tap_capabilities("http://x/vo").encode())
    (duration,) = document.iter("executionDuration")
    assert dict(duration[0].attrib) == {}
    assert int(duration.findtext("default") or "") > 0


def test_the_document_of_examples_has_every_query() -> None:
    document = etree.fromstring(write_examples().encode())
    queries = document.xpath("//*[@property='query']/text()")
    assert queries == [adql for *_, adql in EXAMPLES]
