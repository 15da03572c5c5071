"""Filters that use XPath in ways that nobody means: all have answers, and so has the next one."""

from collections.abc import AsyncIterator

import pytest

from services.distribute.errors import TransportError
from services.distribute.handlers.filter_pool import FilterPool
from services.distribute.steps.transport import MAX_FILTER_CHARS
from tests.support.vtp_events import alert_packet

HONEST = "//Param[@name='snr' and @value>10]"


def filled(before: str, part: str, after: str) -> str:
    """Return an expression of as many parts as it may have letters."""
    return before + part * ((MAX_FILTER_CHARS - len(before) - len(after)) // len(part)) + after


STRANGE = {
    "union of hundreds": filled("//a", "|//a", ""),
    "union of everything, hundreds of times": filled("//@*", "|//@*", ""),
    "union of ancestors of all": filled("//*", "|//*/..//*", ""),
    "translate by a long literal": filled("//*[translate(., '", "ab", "', 'x')='y']"),
    "translate to a long literal": filled("//*[translate(., 'x', '", "ab", "')='y']"),
    "translate in translate": filled("translate(" * 30, "'a'", ",'a','b')" * 30),
    "text of everything, hundreds of times": filled("concat(.", ",/", ")"),
    "lengths of texts of everything": filled("//*[string-length(concat(.", ",/", "))>5]"),
    "normalised texts of everything": "//*[normalize-space(/)=normalize-space(//*)]",
    "sums of sums": "//*[sum(//@*[sum(//@*)>0])>0]",
    "namespaces of all": "//namespace::*[count(//namespace::*)>0]",
    "names of namespaces": "//*[namespace-uri()=//namespace::*]",
    "prefix of xml": "//@xml:lang",
    "prefix that is bound to nothing": "//ivoa:Param",
    "prefix in a literal": "//Param[@name='voe:x']",
    "star of a prefix": "//voe:*",
    "name with a namespace": "{http://www.ivoa.net/xml/VOEvent/v2.0}VOEvent",
    "file": "document('file:///etc/passwd')",
    "entity": "unparsed-entity-uri('x')",
    "functions of EXSLT": "str:padding(1000000, 'x')",
    "function of the processor": "system-property('xsl:vendor')",
    "variable": "$x",
    "identity": "id('a b c')",
    "instructions": "//processing-instruction('xml-stylesheet')",
    "comments": "//comment()",
    "number of a thousand digits": filled("", "9", " > 1"),
    "number of a thousand places": filled("0.", "0", "1 = 0"),
    "not a number": "0 div 0 = 0 div 0",
    "infinity": "floor(1 div 0) > 1",
    "parentheses": filled("(" * 490, "1", ")" * 490)[:MAX_FILTER_CHARS],
    "minus signs": filled("", "-", "1"),
    "negations": filled("", "not(", "1" + ")" * 180)[:MAX_FILTER_CHARS],
    "steps up": filled("//*", "/..", ""),
    "steps down": filled("", "//*", ""),
    "places": filled("//*", "[1]", ""),
    "last ones": filled("//*", "[last()]", ""),
    "siblings of siblings": filled("//*", "/following::*/preceding::*", ""),
    "letters that look alike": "//\u0420\u0430ram[@name='snr']",
    "letters of two characters": "//*[.='\U0001d54f']",
    "turned letters": "//*[.='\u202e']",
    "white space": " \t\r\n",
    "nothing": "",
    "zero in the middle": "//a\x00b",
}


@pytest.fixture
async def pool() -> AsyncIterator[FilterPool]:
    made = FilterPool()
    yield made
    await made.aclose()


@pytest.mark.parametrize("strange", STRANGE)
async def test_whatever_a_filter_is_the_next_one_is_answered(
    pool: FilterPool, strange: str
) -> None:
    expression, packet = STRANGE[strange], alert_packet()
    defect = await pool.find_defect("192.0.2.1", (expression,))
    assert isinstance(defect, str)
    assert len(defect) < 500
    if not defect:
        try:
            assert await pool.matches("192.0.2.1", (expression,), packet) in (True, False)
        except TransportError as error:
            assert str(error) == "slow_filter"  # noqa: PT017  (or none)
    assert await pool.find_defect("198.51.100.7", (HONEST,)) == ""
    assert await pool.matches("198.51.100.7", (HONEST,), packet)
    assert not await pool.matches("198.51.100.7", ("//Param[@name='snr' and @value<0]",), packet)


async def test_a_filter_that_no_process_can_be_asked_about_costs_its_owner_alone(
    pool: FilterPool,
) -> None:
    with pytest.raises(TransportError, match="bad_filter"):
        await pool.find_defect("192.0.2.1", ("//*[.='\ud800']",))
    assert await pool.find_defect("198.51.100.7", (HONEST,)) == ""
