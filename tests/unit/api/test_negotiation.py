import pytest

from api.handlers.alerts import _negotiate
from api.problems import ProblemError


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
def test_what_a_client_likes_best(accept: str, expected: str) -> None:
    assert _negotiate(accept) == expected


@pytest.mark.parametrize("accept", ["image/png", "application/xml;q=0", "text/csv, text/html"])
def test_what_an_alert_cannot_be(accept: str) -> None:
    with pytest.raises(ProblemError, match="application/json or application/xml") as refused:
        _negotiate(accept)
    assert refused.value.status == 406
