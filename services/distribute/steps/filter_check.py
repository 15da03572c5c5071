"""Whether an XPath filter of a subscriber can be used, and how to mend one that cannot."""

import re

from lxml import etree

from services.distribute.errors import TransportError
from services.distribute.steps.transport import (
    MAX_FILTER_CHARS,
    MAX_FILTER_DEPTH,
    MAX_FILTERS,
    compile_filters,
    depth_of,
    parse_xml,
)

__all__ = ["check_filters"]

_LITERAL = re.compile(r"\"[^\"]*\"|'[^']*'")
# Neither begins within a name, nor gives back what it has read: a long name costs its length, not
# the square of it.
# A name with a prefix; two colons are an axis.
_PREFIX = re.compile(r"(?<![\w.-])([A-Za-z_][\w.-]*+):(?!:)[A-Za-z_*]")
_CALL = re.compile(r"(?<![\w.:-])([A-Za-z_][\w.:-]*+)\s*+\(")
# XPath 1.0, section 4; then the node types and operators, which look like functions.
_FUNCTIONS = frozenset({
    "last", "position", "count", "id", "local-name", "namespace-uri", "name",
    "string", "concat", "starts-with", "contains", "substring-before", "substring-after",
    "substring", "string-length", "normalize-space", "translate",
    "boolean", "not", "true", "false", "lang", "number", "sum", "floor", "ceiling", "round",
    "node", "text", "comment", "processing-instruction", "and", "or", "div", "mod",
})  # fmt: skip
# As large as an event of another author may be: the work of a filter grows with the elements.
_N_PARAMS = 480
_SAMPLE = (
    '<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" version="2.0" '
    'role="observation" ivorn="ivo://org.example/night#sample.0">'
    "<Who><AuthorIVORN>ivo://org.example/livetrap</AuthorIVORN><Date>2026-03-01T12:00:00</Date>"
    "<Author><title>Sample</title></Author></Who>"
    "<What>" + "".join(f'<Param name="p{n}" value="{n}"/>' for n in range(_N_PARAMS)) + "</What>"
    "<WhereWhen><ObsDataLocation/></WhereWhen>"
    '<Why importance="0.5"><Concept>process.variation</Concept></Why></voe:VOEvent>'
).encode()


def check_filters(expressions: tuple[str, ...]) -> str:
    """Return what is wrong with filters after a trial on a large event; empty if nothing is.

    The trial may take any time: the caller ends it.
    """
    if defect := _find_defect(expressions):
        return defect
    root = parse_xml(_SAMPLE)
    for expression in expressions:
        try:
            etree.XPath(expression, regexp=False)(root)
        except (etree.XPathError, MemoryError) as error:
            return f"filter {_shorten(expression)}: cannot be evaluated: {error}"
    return ""


def _find_defect(expressions: tuple[str, ...]) -> str:
    """Return what is wrong on every event; nothing is evaluated."""
    if len(expressions) > MAX_FILTERS:
        return f"{len(expressions)} filters; at most {MAX_FILTERS}, join them with `or`"
    for expression in expressions:
        if defect := _find_defect_of_one(expression):
            return f"filter {_shorten(expression)}: {defect}"
    return ""


def _find_defect_of_one(expression: str) -> str:
    if len(expression) > MAX_FILTER_CHARS:
        return f"{len(expression)} characters; at most {MAX_FILTER_CHARS}"
    if depth_of(expression) > MAX_FILTER_DEPTH:
        return (
            f"predicates inside predicates, deeper than {MAX_FILTER_DEPTH}; join them with `and`"
        )
    try:
        compile_filters((expression,))
    except TransportError:
        return "not XPath 1.0, such as //Param[@name='snr' and @value>10]"
    names = _LITERAL.sub("''", expression)
    for found in _PREFIX.finditer(names):
        if found[1] != "xml":
            return (
                f"no namespace is bound to the prefix {found[1]}: it would never match; only the "
                "root is in a namespace, write /*[...] for it and the other elements without one"
            )
    for found in _CALL.finditer(names):
        if found[1].rpartition("::")[2] not in _FUNCTIONS:
            return f"{found[1]}() is no function of XPath 1.0: it would never match"
    return ""


def _shorten(expression: str) -> str:
    return expression if len(expression) <= 60 else f"{expression[:57]}..."
