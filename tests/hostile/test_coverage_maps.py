"""Coverage maps that nobody means: refused in words, or read in the time of their letters."""

import pytest

from sky.moc import MAX_CHARS, MocError, parse_moc

LAST = 12 * 4**29 - 1


@pytest.mark.parametrize(
    "text",
    [
        "30/1", "99/1", "100/1", "-1/1", "1e9/1", "1000000000/1", "0x3/1", "3.5/1", "/1", "//1",
        "3/768", "0/12", f"29/{LAST + 1}", "3/5-4", "3/-1", "3/1-2-3", "3/1e3", "29/" + "9" * 19,
        "29/" + "9" * 400, f"29/0-{LAST + 1}", "3/", "3", "s3/1", "3/a", "3/1;4/2",
        "3/\u0661\u00b2",
        "inf/1", "nan/1", "3/nan", "+3/+1", "\x00", "3/1\x00", "/" * 1000, "3/" * 1000,
        "3/" + "1," * MAX_CHARS,
    ],
)  # fmt: skip
def test_what_is_no_map_is_refused_in_words(text: str) -> None:
    with pytest.raises(MocError) as caught:
        parse_moc(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        f"29/0-{LAST}",
        "0/0-11 " + " ".join(f"{order}/0-{12 * 4**order - 1}" for order in range(30)),
        "29/" + ",".join(str(number) for number in range(0, 60_000, 2)),
        "29/" + ",".join(f"0-{LAST - number}" for number in range(8_000)),
    ],
    ids=["all cells", "all cells of all orders", "thirty thousand", "overlapping ones"],
)
def test_a_map_costs_its_letters_and_not_its_cells(text: str) -> None:
    assert len(text) <= MAX_CHARS
    parsed = parse_moc(text)  # who lists one cell after the other never ends: there are 3e18
    assert len(parsed.starts) <= 1 + text.count(",") + text.count(" ")
    assert parsed.contains(0.0, 0.0) in (True, False)
