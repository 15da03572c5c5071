"""What is read from a message of images-v1, and which messages are refused unread."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.kafka import InMessage
from services.extract.errors import RejectedImageError
from services.extract.steps.image_message import (
    check_sha256,
    check_size,
    fits_cards,
    invalid_headers,
    read_message,
    stream_name,
    time_sent,
)
from sky.fits_containers import HEADER_ROOM_BYTES

SHA256 = hashlib.sha256(b"fits").hexdigest()


def message(headers: dict[str, str], *, key: bytes = b"night:150MHz") -> InMessage:
    appended = datetime(2026, 1, 1, tzinfo=UTC)
    return InMessage("images-v1", 3, 17, key, b"fits", headers, time_appended=appended)


def test_a_message_becomes_an_image_with_its_identity() -> None:
    headers = {"stream": "lofar", "fits:BMAJ": "0.1", "t-sent": "2026-01-01T00:00:00Z"}
    image = read_message(message(headers), "cluster")
    assert (image.data, image.cards, image.stream) == (b"fits", {"BMAJ": "0.1"}, "lofar")
    assert image.digest.file_sha256 == SHA256
    assert image.digest.image_id == hashlib.sha256(b"fits\nBMAJ=0.1").hexdigest()
    assert (image.source.cluster_id, image.source.partition, image.source.offset) == (
        "cluster", 3, 17,
    )  # fmt: skip
    assert image.time_sent == image.time_appended == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_bytes_are_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[bytes] = []
    sha256 = hashlib.sha256

    def counting(data: bytes = b"") -> Any:
        hashed.append(data)
        return sha256(data)

    monkeypatch.setattr(hashlib, "sha256", counting)
    image = read_message(message({"sha256": SHA256, "fits:BMAJ": "0.1"}), "cluster")
    check_sha256(image)
    assert hashed == [b"fits"]


@pytest.mark.parametrize(
    ("headers", "key", "stream"),
    [
        ({"stream": "lofar"}, b"night:150MHz", "lofar"),
        ({}, b"night:150MHz", "night"),
        ({}, b"a:b:150MHz", "a-b"),
        ({}, b"night", "night"),
        ({"stream": "Night 1 \x00é"}, b"x:1", "night-1"),
        ({"stream": "x" * 1000}, b"x:1", "x" * 64),
        ({"stream": ""}, b"", None),
        ({"stream": "\x00"}, b"key:1", "key"),
        ({}, b"\xff:150MHz", None),
    ],
)
def test_the_stream_is_that_of_the_header_or_of_the_key(
    headers: dict[str, str], key: bytes, stream: str | None
) -> None:
    assert stream_name(headers, key) == stream


def test_only_headers_with_the_prefix_are_cards() -> None:
    assert fits_cards({"fits:BPA": "3", "BMAJ": "1", "sha256": "x"}) == {"BPA": "3"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T02:00:00+02:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_without_a_zone_is_utc_and_an_invalid_one_is_none(
    text: str, moment: datetime | None
) -> None:
    assert time_sent({"t-sent": text}) == moment


@pytest.mark.parametrize(
    ("text", "number"),
    [("16", 16), ("1", 1), ("0", None), ("-4", None), ("4.0", None), ("", None),
     ("9" * 5000, None), ("\u0664", None)],
)  # fmt: skip
def test_the_number_of_bands_is_a_whole_one(text: str, number: int | None) -> None:
    headers = {"n-bands": text}
    image = read_message(message(headers), "cluster")
    assert image.n_bands == number
    assert invalid_headers(headers, image) == ([] if number else ["n-bands"])


def test_without_a_number_of_bands_nothing_is_ignored() -> None:
    image = read_message(message({}), "cluster")
    assert (image.n_bands, invalid_headers({}, image)) == (None, [])


def test_a_file_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    image = replace(read_message(message({}), "cluster"), data=bytes(HEADER_ROOM_BYTES + 4))
    check_size(image, 4)
    with pytest.raises(RejectedImageError, match="the limit is 3") as error:
        check_size(image, 3)
    assert error.value.reason_code == "too_large"


@pytest.mark.parametrize("headers", [{}, {"sha256": ""}, {"sha256": SHA256.upper()}])
def test_the_sha256_is_optional_and_its_case_does_not_matter(headers: dict[str, str]) -> None:
    check_sha256(read_message(message(headers | {"fits:BMAJ": "0.1"}), "cluster"))


def test_corrupted_bytes_are_rejected() -> None:
    image = read_message(message({"sha256": "0" * 64}), "cluster")
    with pytest.raises(RejectedImageError, match=f"{SHA256}, header sha256 is 0000") as error:
        check_sha256(image)
    assert error.value.reason_code == "checksum_mismatch"
