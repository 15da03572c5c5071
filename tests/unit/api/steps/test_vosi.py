"""Documents of VOSI and DALI: what is in them, and that they are XML."""

from datetime import UTC, datetime

from lxml import etree

from api.models.tap import Catalogue, TapColumn, TapKey, TapTable
from api.steps.registry_record import Publisher, write_record
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


def test_the_record_of_a_registry_has_what_it_must() -> None:
    publisher = Publisher("org.example", "A & B", "C <D>", "c@example.org")
    time = datetime(2026, 11, 27, tzinfo=UTC)
    document = etree.fromstring(write_record(publisher, "http://x", time).encode())
    assert document.get("created") == document.get("updated") == "2026-11-27T00:00:00Z"
    assert document.findtext("identifier") == "ivo://org.example/livetrap"
    assert document.findtext("curation/publisher") == "A & B"
    assert document.findtext("curation/contact/name") == "C <D>"
    order = [each.tag for each in document if each.tag != "capability"]
    assert order == ["title", "shortName", "identifier", "curation", "content", "coverage"]
    content = [each.tag for each in document.find("content")]
    assert content == ["subject"] * 3 + ["description", "referenceURL", "type", "contentLevel"]
    standards = [each.get("standardID").rpartition("/")[2] for each in document.iter("capability")]
    assert {"ConeSearch", "TAP", "SIA#query-2.0", "SODA#sync-1.0"} <= set(standards)
