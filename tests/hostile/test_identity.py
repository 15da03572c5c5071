"""Nobody speaks in our name, takes back our alerts, or acknowledges for somebody else."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from lxml import etree
from pydantic import SecretStr

from runtime.settings import SubscriberSettings
from services.distribute.errors import SubmissionError
from services.distribute.steps.submission import SubmissionValidator
from tests.support.submissions import foreign_packet
from tests.support.vtp import VtpClient, acknowledge, ivorn_of, transport
from tests.support.vtp_events import alert_packet
from tests.support.vtp_log import MemoryDeliveryStore, memory_log
from tests.support.vtp_site import VtpSite, serving

OURS = "ivo://org.test/livetrap"
NAME = "ivo://test/robot"
TOKEN = "a token of the test"  # noqa: S105  (of a test)
SPELLINGS = [
    OURS, "//org.test/livetrap", "org.test/livetrap", "IVO://ORG.TEST/livetrap", " \n" + OURS,
    "ivo:/org.test", "ivo:///org.test", "ivo://%6Frg.test/x", "ivo://org%2Etest/x",
    quote(quote(OURS, safe=""), safe=""), "ivo://org.test./x", "ivo://org.test:80/x",
    "ivo://me@org.test/x", "ivo://\uff4f\uff52\uff47.test/x", "ivo://org\u200b.test/x",
    "ivo:// org.test /x",
    "ivo://org\u3002test/x", "ivo://\u043erg.test/x", "ivo://%D0%BErg.test/x", "ivo://org&#46;test/x",
    "ivo://org\ua78ftest/x", "ivo://org&amp;#x2e;test/x", quote(quote(quote(quote(quote(quote(
        quote(OURS, safe=""), safe=""), safe=""), safe=""), safe=""), safe=""), safe=""),
    "ivo://\u202etset.gro\u202c/x", "\u202etset.gro//:ovi", "ivo://tset.gro/x\u2067",
    "ivo://xn--rg-emc.test/x", "ivo://XN--RG-EMC.test/x", "ivo://%78n--rg-emc.test/x",
    "ivo://org\u034f.test/x", "ivo://org.\u115ftest/x", "ivo://org.test\ufe0f/x",
    "ivo://org.\U000e0074test/x", "ivo://org&period;test/x", "ivo://org.%74est%2fx",
    "http://org.test/x", "ivo:\\\\org.test\\x", "ivo://org.test#x", "ivo://org.test?x",
]  # fmt: skip


def refusal(packet: bytes) -> str:
    with pytest.raises(SubmissionError) as caught:
        SubmissionValidator("org.test").read_ivorn(packet)
    return str(caught.value)


def with_text(packet: bytes, path: str, text: str) -> bytes:
    root = etree.fromstring(packet)
    root.find(path).text = text  # type: ignore[union-attr]
    return etree.tostring(root)


def citing(text: str, cite: str) -> bytes:
    root = etree.fromstring(foreign_packet())
    citations = etree.Element("Citations")
    etree.SubElement(citations, "EventIVORN", {"cite": cite}).text = text
    root.insert(list(root).index(root.find("Why")) + 1, citations)  # type: ignore[arg-type]
    return etree.tostring(root)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_our_authority_as_author_is_refused_in_any_spelling(spelling: str) -> None:
    assert "AuthorIVORN" in refusal(with_text(foreign_packet(), "Who/AuthorIVORN", spelling))


@pytest.mark.parametrize(
    "authority",
    ["org.test", "ORG.Test", "org.test.", "org.test...", "org.test*", "(org.test)", "0'org.test'"],
)
def test_an_event_under_our_authority_is_refused(authority: str) -> None:
    root = etree.fromstring(foreign_packet())
    root.set("ivorn", f"ivo://{authority}/night#a.0")
    assert "ivorn" in refusal(etree.tostring(root))


@pytest.mark.parametrize("author", ["ivo://org.tester/x", "ivo://org/test", "ivo://my-org.test/x"])
def test_another_author_is_not_taken_for_us(author: str) -> None:
    packet = with_text(foreign_packet(), "Who/AuthorIVORN", author)
    assert SubmissionValidator("org.test").read_ivorn(packet) == ivorn_of(packet)


@pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-1", "UTF-32", "windows-1252"])
def test_what_is_relayed_is_utf8(encoding: str) -> None:
    packet = etree.tostring(etree.fromstring(foreign_packet()), encoding=encoding)
    assert "send UTF-8" in refusal(packet)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037"])
def test_an_encoding_that_nobody_declares_is_not_relayed(encoding: str) -> None:
    text = etree.tostring(etree.fromstring(foreign_packet()), encoding="unicode")
    assert refusal(text.encode(encoding))


def test_utf8_may_begin_with_its_mark() -> None:
    packet = b"\xef\xbb\xbf" + etree.tostring(etree.fromstring(foreign_packet()))
    assert SubmissionValidator("org.test").read_ivorn(packet) == ivorn_of(foreign_packet())


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("cite", ["retraction", "supersedes"])
def test_nobody_takes_back_our_alerts(spelling: str, cite: str) -> None:
    assert "only its author" in refusal(citing(spelling.replace("livetrap", "night#a.0"), cite))


@pytest.mark.parametrize("cite", [" retraction", "retraction\n", "Retraction", "supersedes\t"])
def test_another_spelling_of_a_retraction_is_none(cite: str) -> None:
    assert "not valid by the schema" in refusal(citing(f"{OURS}#a.0", cite))


def test_a_follow_up_may_cite_our_alert_and_a_retraction_one_of_its_own() -> None:
    for cited, cite in ((f"{OURS}#a.0", "followup"), ("ivo://org.other/s#1", "retraction")):
        packet = citing(cited, cite)
        assert SubmissionValidator("org.test").read_ivorn(packet) == ivorn_of(packet)


def introduction(token: str = "", name: str = NAME) -> bytes:
    root = etree.fromstring(transport("authenticate", response=name))
    if token:
        etree.SubElement(root.find("Meta"), "Param", {"name": "token", "value": token})  # type: ignore[arg-type]
    return etree.tostring(root)


async def connect(site: VtpSite, document: bytes) -> VtpClient:
    client = await site.connect()
    assert await client.receive_role() == "authenticate"
    await client.send(document)
    return client


def settings(**changes: Any) -> dict[str, Any]:
    known = SubscriberSettings(name=NAME, token=SecretStr(TOKEN))
    return {"subscribers": (known,)} | changes


@pytest.fixture
def store() -> MemoryDeliveryStore:
    """One alert was missed by whoever has a name."""
    made = MemoryDeliveryStore()
    missed = alert_packet(7)
    made.unacknowledged = [(ivorn_of(missed), missed)]
    return made


async def test_the_token_gives_what_was_missed(store: MemoryDeliveryStore) -> None:
    log = memory_log(store)
    async with serving(log, **settings()) as site:
        client = await connect(site, introduction(TOKEN))
        assert await client.receive_events(1, 60) == [store.unacknowledged[0][0]]
        await client.send(acknowledge(store.unacknowledged[0][0], response=NAME))
        async with asyncio.timeout(60):
            while not any(each.is_acknowledged for each in log._pending):  # noqa: ASYNC110  (nothing reports it)
                await asyncio.sleep(0.01)
        assert {each.subscriber for each in log._pending} == {NAME}


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x"])
async def test_without_the_token_the_name_gets_the_stream_alone(
    store: MemoryDeliveryStore, token: str
) -> None:
    log = memory_log(store)
    async with serving(log, **settings()) as site:
        client = await connect(site, introduction(token))
        assert "needs its token" in (await client.receive(60)).decode()
        await site.alert(client)
        await client.send(acknowledge(ivorn_of(alert_packet(0)), response=NAME))
        async with asyncio.timeout(60):
            while not any(each.is_acknowledged for each in log._pending):  # noqa: ASYNC110  (nothing reports it)
                await asyncio.sleep(0.01)
        assert {each.subscriber for each in log._pending} == {"anonymous@127.0.0.1"}


async def test_who_has_proven_one_name_acknowledges_for_no_other(
    store: MemoryDeliveryStore,
) -> None:
    other = SubscriberSettings(name="ivo://test/other", token=SecretStr(TOKEN[::-1]))
    mine = SubscriberSettings(name=NAME, token=SecretStr(TOKEN))
    log = memory_log(store)
    async with serving(log, **settings(subscribers=(mine, other))) as site:
        client = await connect(site, introduction(TOKEN))
        assert await client.receive_events(1, 60) == [store.unacknowledged[0][0]]
        await client.send(acknowledge(store.unacknowledged[0][0], response=other.name))
        async with asyncio.timeout(60):
            while not any(each.is_acknowledged for each in log._pending):  # noqa: ASYNC110  (nothing reports it)
                await asyncio.sleep(0.01)
        acknowledged = {each.subscriber for each in log._pending if each.is_acknowledged}
        assert acknowledged == {"anonymous@127.0.0.1"}


@pytest.mark.parametrize("needs_token", [True, False])
async def test_an_operator_decides_whether_a_name_without_token_gets_what_it_missed(
    store: MemoryDeliveryStore, *, needs_token: bool
) -> None:
    async with serving(memory_log(store), **settings(replay_needs_token=needs_token)) as site:
        client = await connect(site, introduction(name="ivo://test/other"))
        if not needs_token:
            assert await client.receive_events(1, 60) == [store.unacknowledged[0][0]]
        await site.alert(client, start=100)
