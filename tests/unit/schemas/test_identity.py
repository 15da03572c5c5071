"""Identities are derived: the same input, the same name."""

import hashlib
import re

from schemas.identity import digest_image, event_id, trig_id
from schemas.topics import Topics, image_message_key


def test_an_image_is_its_bytes_and_the_cards_beside_them() -> None:
    plain = digest_image(b"fits", {})
    assert plain.image_id == plain.file_sha256 == hashlib.sha256(b"fits").hexdigest()
    with_cards = digest_image(b"fits", {"BMAJ": "1", "BPA": "2"})
    assert with_cards == digest_image(b"fits", {"BPA": "2", "BMAJ": "1"})
    assert with_cards.file_sha256 == plain.file_sha256
    other = digest_image(b"fits", {"BMAJ": "12"})
    assert with_cards.image_id not in {plain.image_id, other.image_id}


def test_the_identity_with_cards_is_pinned() -> None:
    digest = hashlib.sha256(b"fits\nBMAJ=1\nBPA=2")
    assert digest_image(b"fits", {"BPA": "2", "BMAJ": "1"}).image_id == digest.hexdigest()


def test_a_trig_id_is_short_and_fits_into_an_ivorn() -> None:
    found = trig_id("stream", "ab" * 32, 3)
    assert re.fullmatch(r"[a-z2-7]{16}", found)
    assert found == trig_id("stream", "ab" * 32, 3)
    assert found != trig_id("stream", "ab" * 32, 4)


def test_events_of_a_family_differ_by_kind_and_trigger() -> None:
    names = {
        event_id("family", kind, trigger)
        for kind in ("new_source", "variable")
        for trigger in ("one", "other")
    }
    assert len(names) == 4


def test_a_prefix_moves_every_topic() -> None:
    assert all(name.startswith("site.") for name in Topics("site.").all())
    assert len(set(Topics().all())) == 12


def test_a_band_of_a_stream_stays_on_one_partition() -> None:
    assert (
        image_message_key("night", 124.1e6)
        == image_message_key("night", 124.1001e6)
        == "night:124.100MHz"
    )
    assert image_message_key("night", None) == "night:"


def test_every_subband_of_an_instrument_has_a_key_of_its_own() -> None:
    width_hz = 200e6 / 1024  # of LOFAR's filter
    keys = {image_message_key("night", 60e6 + number * width_hz) for number in range(16)}
    assert len(keys) == 16
