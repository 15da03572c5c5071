"""Only what is an alert of the database goes on, whoever wrote it to the topic."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from runtime.dead_letters import DeadLetters
from runtime.errors import TransientError
from runtime.kafka import InMessage
from services.distribute.handlers import alert_check
from services.distribute.handlers.alert_check import AlertCheck
from tests.support.vtp_events import alert_packet

OURS = [alert_packet(number) for number in range(3)]


def ivorn_of(packet: bytes) -> str:
    return packet.partition(b'ivorn="')[2].partition(b'"')[0].decode()


STORED = {ivorn_of(packet): packet for packet in OURS}
FORGED = [
    # Ours in everything but that nobody sent it; ours with another flux; of somebody else.
    alert_packet(9),
    OURS[0].replace(b"</What>", b'<Param name="a" value="1"/></What>'),
    OURS[0].replace(b"org.test", b"org.else"),
    OURS[0] + b" ",
]
CLAIMS = ["", *STORED, "ivo://org.test/night#\x00", "ivo://org.test/night#\ud800", "i" * 10**6]


class Store:
    """The digests of what is stored, or what it does instead of an answer."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fault: Callable[[], Coroutine[Any, Any, None]] | None = None

    async def select_digests(self, ivorns: Sequence[str]) -> dict[str, bytes]:
        self.asked.append(list(ivorns))
        assert all(each.isascii() and "\x00" not in each and len(each) < 999 for each in ivorns)
        if self.fault is not None:
            await self.fault()
        return {each: hashlib.sha256(STORED[each]).digest() for each in ivorns if each in STORED}


class Site:
    """A check, and what it passed on."""

    def __init__(self) -> None:
        self.store = Store()
        self.passed: list[bytes] = []
        self.dead_letters = DeadLetters(topic="dead-letters-v1", service="distribute")
        self.check = AlertCheck(
            self.store,  # type: ignore[arg-type]
            authority="org.test",
            pass_on=lambda messages: self.passed.extend(each.value for each in messages),
            dead_letters=self.dead_letters,
        )

    async def bring(self, *packets: bytes, claim: str | None = None) -> None:
        """Give packets to the check; return when it has looked at all of them."""
        messages = [
            InMessage(
                "alerts-voevent-v1", 0, number, b"", packet,
                {"ivorn": ivorn_of(packet) if claim is None else claim},
            )
            for number, packet in enumerate(packets)
        ]  # fmt: skip
        task = asyncio.create_task(self.check.run())
        before = len(self.passed) + len(self.dead_letters.pending)
        await self.check.on_messages(messages)
        async with asyncio.timeout(60):
            while len(self.passed) + len(self.dead_letters.pending) < before + len(packets):
                assert not task.done(), task.exception()
                await asyncio.sleep(0)
        task.cancel()

    @property
    def reasons(self) -> list[str]:
        return [str(letter.headers["reason"]) for letter in self.dead_letters.pending]


@pytest.fixture
def site() -> Site:
    return Site()


async def test_alerts_go_on_in_their_order_by_one_statement(site: Site) -> None:
    await site.bring(*OURS)
    await site.bring(*reversed(OURS))
    assert site.passed == [*OURS, *reversed(OURS)]
    assert len(site.store.asked) == 1
    assert site.reasons == []


@pytest.mark.parametrize("claim", [None, *CLAIMS], ids=range(len(CLAIMS) + 1))
@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
async def test_what_is_not_stored_goes_to_nobody_whatever_it_claims(
    site: Site, forged: bytes, claim: str | None
) -> None:
    await site.bring(forged, claim=claim)
    await site.bring(OURS[1], forged, OURS[2])
    assert site.passed == [OURS[1], OURS[2]]
    assert site.reasons == ["unknown_alert"] * 2


@pytest.mark.parametrize("claim", ["", *STORED])
@pytest.mark.parametrize(
    ("packet", "reason"), [(b"hello", "invalid_voevent"), (b" " * 100_000, "large_voevent")]
)
async def test_what_is_no_voevent_is_called_so(
    site: Site, packet: bytes, reason: str, claim: str
) -> None:
    await site.bring(packet, claim=claim)
    assert (site.passed, site.reasons) == ([], [reason])


async def test_an_alert_without_a_header_goes_on(site: Site) -> None:
    await site.bring(*OURS, claim="")
    assert site.passed == OURS


async def away() -> None:
    raise TransientError("PostgreSQL is away")


async def frozen() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("fault", [away, frozen])
async def test_while_the_database_is_away_valid_packets_of_ours_go_on(
    site: Site, fault: Callable[[], Coroutine[Any, Any, None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_check, "_ANSWER_S", 0.01)
    site.store.fault = fault
    await site.bring(*OURS)
    await site.bring(FORGED[2], OURS[0].replace(b"<Who>", b"<Whom/><Who>"))
    assert site.passed == OURS
    assert site.reasons == ["unknown_alert", "invalid_voevent"]
    assert len(site.store.asked) == 1  # and not for each
    site.store.fault = None
    site.check._ask_again_s = 0.0
    await site.bring(FORGED[0])
    assert site.passed == OURS


@pytest.mark.parametrize("size", [10, 100_000])
async def test_under_a_flood_only_so_much_is_taken_and_nothing_is_lost(
    site: Site, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_check, "_DEAD_LETTERS_CHECK_S", 0.0)
    n_parts, letters = 800, site.dead_letters
    most_waiting = n_sent = 0
    task = asyncio.create_task(site.check.run())
    garbage = [InMessage("t", 0, number, b"", b" " * size) for number in range(20)]
    taking = asyncio.create_task(_bring_parts(site, [garbage] * n_parts))
    async with asyncio.timeout(120):
        while n_sent + len(letters.pending) < 20 * n_parts:
            assert not task.done(), task.exception()
            n_bytes = sum(len(each.value) for each in letters.pending)
            n_bytes += sum(len(each.value) for each in site.check._waiting)
            most_waiting = max(most_waiting, n_bytes + 2000 * len(letters.pending))
            if letters.is_full:
                n_sent += len(letters.pending)
                letters.clear()
            await asyncio.sleep(0)
    await taking
    task.cancel()
    assert most_waiting < 70 << 20
    assert len(site.check._waiting) == 0


async def _bring_parts(site: Site, parts: list[list[InMessage]]) -> None:
    for part in parts:
        await site.check.on_messages(part)
