"""Stamps in the list of a source."""

from typing import Any

from api.steps.stamps import parts_of, to_items


def row(role: str, state: str = "stored", trig_id: str = "abc") -> dict[str, Any]:
    return {
        "id": f"{trig_id}-{role}", "trig_id": trig_id, "role": role, "state": state,
        "sha256": "00", "n_bytes": 3,
    }  # fmt: skip


def test_a_difference_is_listed_where_it_can_be_made() -> None:
    items = list(to_items([row("deepest"), row("before"), row("now")]))
    assert [each["role"] for each in items] == ["now", "before", "difference", "deepest"]
    difference = items[2]
    assert (difference["id"], difference["sha256"]) == ("abc-difference", None)
    assert difference["png"] == "/api/v1/stamps/abc-difference?format=png"
    missing = list(to_items([row("before", "missing"), row("now")]))
    assert [(each["role"], bool(each["png"])) for each in missing] == [
        ("now", True), ("before", False),
    ]  # fmt: skip
    assert parts_of("abc-difference") == ("abc-now", "abc-before")
    assert parts_of("abc-deepest") == ("abc-deepest",)
