"""Which format of an alert a client gets for its header Accept."""

import pytest

from api.errors import ProblemError
from api.steps.content_negotiation import choose_alert_format


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("application/json, application/xml", "json"),
        ("application/xml, application/json", "xml"),
        ("APPLICATION/XML;q=1.0;charset=utf-8", "xml"),
        ("text/xml", "xml"),
        ("image/png, application/xml;q=0.1", "xml"),
        ("application/json;q=0, */*;q=0.1, text/xml;q=0.2", "xml"),
        ("application/xml;q=nonsense", "xml"),
    ],
)
def test_the_format_of_greatest_weight_is_chosen(accept: str, expected: str) -> None:
    assert choose_alert_format(accept) == expected


@pytest.mark.parametrize("accept", ["image/png", "application/xml;q=0", "text/csv, text/html"])
def test_other_formats_are_not_acceptable(accept: str) -> None:
    with pytest.raises(ProblemError, match="application/json or application/xml") as refused:
        choose_alert_format(accept)
    assert refused.value.status == 406
