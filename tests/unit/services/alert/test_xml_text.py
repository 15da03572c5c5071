"""Elements as text are what lxml writes, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from services.alert.steps.facts import clean_text
from services.alert.steps.voevent import _write_param
from services.alert.steps.xml_text import element, leaf, to_decimal

# What XML 1.0 allows; a carriage return in a document is a line feed to its reader.
texts = st.text(
    st.one_of(
        st.sampled_from("&<>\"'\t\n\r ;#é\U0001f4e1"),
        st.characters(min_codepoint=0x20, max_codepoint=0xD7FF),
    )
)


@given(text=texts, value=texts)
def test_text_and_attribute_are_as_lxml_writes_them(text: str, value: str) -> None:
    tree = etree.Element("Description", cite=value)
    tree.text = text
    assert leaf("Description", text, cite=value).encode() == etree.tostring(tree, encoding="UTF-8")


@given(text=texts, value=texts)
def test_text_and_attribute_are_read_again(text: str, value: str) -> None:
    read = etree.fromstring(element("What", leaf("Name", text), uri=value).encode())
    assert (read.get("uri"), read.findtext("Name")) == (value, text)


def test_an_element_without_children_is_empty() -> None:
    assert element("Group", name="image") == '<Group name="image"/>'


@given(
    value=st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    unit=st.sampled_from(["", "Jy/beam"]),
    ucd=st.sampled_from(["", "stat.snr"]),
)
def test_a_parameter_is_as_lxml_writes_it(value: str | float, unit: str, ucd: str) -> None:
    plain = clean_text(value) if isinstance(value, str) else value
    shown = to_decimal(float(f"{plain:.9g}")) if isinstance(plain, float) else plain
    optional = {name: text for name, text in (("unit", unit), ("ucd", ucd)) if text}
    kinds = {int: {"dataType": "int"}, float: {"dataType": "float"}, str: {}}
    tree = etree.Element("Param", name="p", value=str(shown), **optional, **kinds[type(value)])
    assert _write_param("p", value, unit, ucd).encode() == etree.tostring(tree, encoding="UTF-8")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_has_no_exponent_and_is_the_same_number(value: float) -> None:
    text = to_decimal(value)
    assert float(text) == value
    assert "e" not in text or not 1e-20 < abs(value) < 1e20


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-05, "0.00001"),
        (-4.3589e-07, "-0.00000043589"),
        (0.25, "0.25"),
        (1e16, "10000000000000000"),
    ],
)
def test_a_small_number_is_written_out(value: float, text: str) -> None:
    assert to_decimal(value) == text
    assert etree.XML(f'<a b="{text}"/>').xpath("number(@b)") == value
