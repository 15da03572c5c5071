"""Our authority behind overlong, doubled and broken encodings; ivorns that are too long or odd."""

from urllib.parse import quote

import pytest
from lxml import etree

from services.distribute.errors import SubmissionError
from services.distribute.steps.submission import SubmissionValidator
from tests.hostile.test_identity import citing, refusal, with_text
from tests.support.submissions import foreign_packet

SPELLINGS = [
    # Overlong UTF-8 of a dot, a slash and an o, in two and three bytes.
    "ivo://org%c0%aetest/x", "ivo://org%e0%80%aetest/x", "ivo:%c0%af%c0%aforg.test/x",
    "ivo://%c1%afrg.test/x", "ivo://%f0%80%81%afrg.test/x",
    # Doubled, mixed with references, and half broken.
    "ivo://%25%36%66rg.test/x", "ivo://%25256frg.test/x", "ivo://%&#54;frg.test/x",
    "ivo://&amp;amp;#111;rg.test/x", "ivo://%26%23111%3brg.test/x", "ivo://%26%2523111;rg.test/x",
    "ivo://&#x6F;rg&#46test/x", "ivo://&#0000000111;rg.test/x", "ivo://%&percnt;36frg.test/x",
    "ivo://%org.test/x", "ivo://org.test%/x", "ivo://org%00.test/x", "ivo://org%2500.test/x",
    "ivo://org%E2%80%8B.test/x", "ivo://%E2%80%AEtset.gro/x", "ivo://org%0a.test/x",
    # Characters that are not seen, or look like another one.
    "ivo://org\u180e.test/x", "ivo://org\u3164.test/x", "ivo://o\u0337rg.test/x",
    "ivo://org\u2024test/x", "ivo://org\uff0etest/x", "ivo://org.te\u017ft/x",
    "ivo://\u24de\u24e1\u24d6.test/x", "ivo://\U0001d428rg.test/x", "ivo://org.test\u2215x",
    "ivo://o\u00adrg.test/x", "ivo://org\u2060.test/x", "ivo://org\ufff9.test/x",
    "ivo://org\u00b7test/x", "ivo\u02d0//org.test/x", "\ufeffivo://org.test/x",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS, ids=ascii)
def test_our_authority_is_refused_in_any_encoding(spelling: str) -> None:
    assert "AuthorIVORN" in refusal(with_text(foreign_packet(), "Who/AuthorIVORN", spelling))
    for cite in ("retraction", "supersedes"):
        assert "only its author" in refusal(citing(spelling, cite))


@pytest.mark.parametrize("n_layers", range(1, 12))
def test_our_authority_is_refused_behind_any_number_of_encodings(n_layers: int) -> None:
    spelling = "ivo://org.test/x"
    for _ in range(n_layers):
        spelling = "".join(f"%{ord(each):02x}" for each in spelling)[:60_000]
        if len(spelling) >= 60_000:
            return
        assert "AuthorIVORN" in refusal(with_text(foreign_packet(), "Who/AuthorIVORN", spelling))
    spelling = "ivo://org.test/x"
    for _ in range(n_layers):
        spelling = quote(spelling, safe="").replace("%", "&#37;")
        assert "AuthorIVORN" in refusal(with_text(foreign_packet(), "Who/AuthorIVORN", spelling))


IVORNS = [
    "ivo://a.example/s#" + "x" * 4000, "ivo://a.example/" + "s" * 4000 + "#x",
    "ivo://" + "a" * 4000 + "/s#x", "ivo://a.example/s#\u202ex", "ivo://a.example/s#\u200b",
    "ivo://a.example/s\u0661#x", "ivo://a.example/s#\t", "ivo://a.example/s#a b", "ivo://a.example/s",
    "ivo://a.example#", "ivo:///s#x", "ivo://\u0430.example/s#x", "IVO://a.example/s#x",
    "ivo://a.example/s#x#y\u00e9", "http://a.example/s#x", "ivo://a.example/s#<x", "", "ivo://",
]  # fmt: skip


@pytest.mark.parametrize("ivorn", IVORNS, ids=lambda each: ascii(each)[:30])
def test_what_is_no_ivorn_is_refused_and_told_in_few_words(ivorn: str) -> None:
    root = etree.fromstring(foreign_packet())
    root.set("ivorn", ivorn)
    with pytest.raises(SubmissionError) as caught:
        SubmissionValidator("org.test").read_ivorn(etree.tostring(root))
    assert len(str(caught.value)) < 400
    assert len(caught.value.ivorn) <= 300


def test_a_zero_character_is_no_xml() -> None:
    for hidden in (b"&#0;", b"&#x0;", b"\x00", b"&#xD800;", b"&#xFFFE;", b"&#1;"):
        assert refusal(foreign_packet().replace(b'ivorn="', b'ivorn="' + hidden))
