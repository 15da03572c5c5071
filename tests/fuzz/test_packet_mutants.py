"""Whatever comes on alerts-voevent-v1: given to every subscriber that can read it, or a reason."""

from functools import lru_cache

import numpy as np
from lxml import etree

from runtime.dead_letters import DeadLetters
from schemas.reasons import MessageReason
from services.distribute.handlers.alerts import AlertHandler
from services.distribute.steps.transport import compile_filters, matches
from tests.support.fuzzing import SEED, n_mutants
from tests.support.in_flight import new_in_flight
from tests.support.kafka_messages import hostile_headers, hostile_key, received
from tests.support.vtp_events import alert_packet

FITTING = {MessageReason.INVALID_VOEVENT, MessageReason.LARGE_VOEVENT}
FILTERS = compile_filters(("//Param[@name='snr' and @value > 10]", "//Who", "/*[@role='test']"))
_PIECES = (
    b"", b"\x00", b"\xff\xfe", b"<", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"]]>", b"<a/>",
    b"<!-- -->", b"<?xml version='1.0' encoding='utf-16'?>", b"ivorn='x'", b"&#0;", b"&#xD800;",
    "é\u202e".encode(), b"<a>" * 300, b"x" * 200_000, b"xmlns:b=''", b"<![CDATA[", b"\r\n\t",
)  # fmt: skip


@lru_cache(maxsize=64)
def good_packet(number: int) -> bytes:
    return alert_packet(number, salt="packets")


def packet_mutant(rng: np.random.Generator, number: int) -> bytes:
    """Return a packet that is cut, flipped, repeated, or has something where it should not."""
    good = good_packet(number % 64)
    at, rule = int(rng.integers(0, len(good))), int(rng.integers(0, 7))
    piece = _PIECES[int(rng.integers(0, len(_PIECES)))]
    if rule == 0:
        return good[:at]
    if rule == 1:
        damaged = bytearray(good)
        for index in rng.integers(0, len(good), int(rng.choice((1, 1, 3, 20)))).tolist():
            damaged[index] ^= 1 << int(rng.integers(0, 8))
        return bytes(damaged)
    if rule == 2:
        return piece + good if rng.random() < 0.5 else good + piece
    if rule == 3:
        return good.replace(b"ivo://", piece[:5000], int(rng.integers(1, 3)))
    if rule == 4:
        return rng.bytes(int(rng.integers(0, 4000)))
    return good[:at] + piece + good[at + int(rng.integers(0, 40)) * (rule == 6) :]


class Subscribers:
    """What is broadcast; every packet must be readable, with filters and without."""

    def __init__(self) -> None:
        self.ivorns: list[str] = []

    def broadcast(self, ivorn: str, packet: bytes) -> int:
        assert etree.fromstring(packet).get("ivorn") == ivorn
        matches(FILTERS, packet)
        self.ivorns.append(ivorn)
        return 1


def test_every_packet_is_broadcast_or_has_a_reason() -> None:
    subscribers, letters = (
        Subscribers(),
        DeadLetters(topic="dead-letters-v1", service="distribute"),
    )
    handler = AlertHandler(
        None,  # type: ignore[arg-type]  # no check of the database runs here)
        broadcast=subscribers.broadcast, wake=lambda: None, dead_letters=letters,
        in_flight=new_in_flight(),
    )  # fmt: skip
    failures = []
    for number in range(n_mutants("voevent")):
        rng = np.random.default_rng((SEED, number, 5))
        value = packet_mutant(rng, number)
        message = received(
            ("alerts-voevent-v1", 0, number), key=hostile_key(rng), value=value,
            headers=hostile_headers(rng),
        )  # fmt: skip
        handler.on_message(message)
        reasons = [each.headers["reason"] for each in letters.pending]
        letters.clear()
        if not set(reasons) <= FITTING or len(reasons) > 1:
            failures.append((number, reasons, value[:200]))
    assert not failures, failures[:10]
    value = alert_packet(1, salt="afterwards")
    handler.on_message(received(("alerts-voevent-v1", 0, 0), key=b"", value=value))
    assert subscribers.ivorns[-1] == etree.fromstring(value).get("ivorn")
