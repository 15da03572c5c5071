"""The pictures of a digest: of the stamps that are there; it never waits for the others."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from email.message import Message

import asyncpg
import pytest

from runtime.errors import TransientError
from runtime.settings import EmailSettings
from runtime.threads import run_in_thread
from services.distribute.handlers import stamp_pictures
from services.distribute.handlers.digest import Digest
from services.distribute.handlers.stamp_pictures import StampPictures
from services.distribute.models import OutgoingAlert, StoredStamp
from services.distribute.storage import DeliveryStore, StampStore
from tests.support.mail_server import MailServer, mail_server
from tests.support.receivers import build_channel, issue, running, until
from tests.support.stamp_rows import SIDE_PX, read_png, stamp_file, store_stamps, trig_id_of_ivorn
from tests.support.vtp_events import build_test_alert, source_event

MIDDLE = SIDE_PX // 2


def pictures_of(read: Callable[[Sequence[str]], Awaitable[list[StoredStamp]]]) -> StampPictures:
    """Return what draws stamps, and leaves a busy machine its time."""
    return StampPictures(read, timeout_s=600.0)


def digest_to(server: MailServer, pictures: StampPictures) -> Digest:
    settings = EmailSettings(
        host="127.0.0.1", port=server.port, sender="livetrap@example.org",
        recipients=("a@example.org",), starttls=False,
    )  # fmt: skip
    return Digest(settings, run_in_thread, pictures)


def text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


async def sent(pictures: StampPictures, n: int = 1) -> tuple[Message, list[str]]:
    """Send a digest of alerts of different sources; return the mail and their families."""
    made = [build_test_alert(source_event(number, salt=uuid.uuid4().hex)) for number in range(n)]
    alerts = [OutgoingAlert(alert.ivorn, alert.voevent, alert.notice) for alert in made]
    async with mail_server() as server:
        assert await digest_to(server, pictures).deliver(alerts) == alerts
        (mail,) = server.messages
    return mail, [trig_id_of_ivorn(alert.ivorn) for alert in alerts]


def stored(trig_id: str, role: str = "now", data: bytes | None = None) -> StoredStamp:
    return StoredStamp(trig_id, role, 10.0, 20.0, "stored", 1.0, 10.0, data or stamp_file(9.0))


async def test_pictures_of_the_stamps_that_are_there_are_shown(pool: asyncpg.Pool) -> None:
    store = DeliveryStore(pool)
    name = f"digest-{uuid.uuid4().hex[:8]}"
    await store.ensure_subscriber("email", name)
    shown, half, *others = await issue(pool, 5)
    await store_stamps(pool, trig_id_of_ivorn(shown), now=stamp_file(5.0), before=stamp_file(-1.0))
    await store_stamps(
        pool, trig_id_of_ivorn(half), now=stamp_file(5.0), before="no_earlier_image"
    )
    await store_stamps(pool, trig_id_of_ivorn(others[0]), now="expired", before=stamp_file(0.0))
    await store_stamps(pool, trig_id_of_ivorn(others[1]), now="waiting")
    async with mail_server() as server:
        digest = digest_to(server, pictures_of(StampStore(pool).read))
        async with running(build_channel("email", name, digest.deliver, store, pause_s=60)):
            await until(lambda: server.mails)
        (mail,) = server.messages
    assert mail.get_content_type() == "multipart/alternative"
    plain, related = mail.get_payload()
    assert (plain.get_content_type(), related.get_content_type()) == (
        "text/plain", "multipart/related",
    )  # fmt: skip
    html, *images = related.get_payload()
    summary = "Stamps of 2 of 5 sources; without: expired (1), not cut yet (1), not asked for (1)."
    for part in (plain, html):
        text = text_of(part)
        assert summary in text
        assert all(ivorn in text for ivorn in (shown, half, *others))
    assert "before: no_earlier_image" in text_of(html)
    assert [each.get_filename() for each in images] == [
        "before.png", "now.png", "difference.png", "now.png",
    ]  # fmt: skip
    for image in images:
        assert image.get_content_type() == "image/png"
        assert f'src="cid:{image["Content-ID"][1:-1]}"' in text_of(html)
    before, now, difference = (read_png(each.get_payload(decode=True)) for each in images[:3])
    assert now[MIDDLE, MIDDLE] == difference[MIDDLE, MIDDLE] == 255
    assert now[0, 0] == 0
    assert (before[MIDDLE, MIDDLE], before[0, 0]) == (0, 255)


async def test_a_source_is_shown_once_and_twenty_are_at_most() -> None:
    asked: list[str] = []

    async def read(trig_ids: Sequence[str]) -> list[StoredStamp]:
        asked.extend(trig_ids)
        return [stored(each) for each in trig_ids]

    mail, trig_ids = await sent(pictures_of(read), 23)
    assert asked == trig_ids[:20]
    plain, related = mail.get_payload()
    assert "Stamps of 20 of 23 sources; without: beyond the first 20 (3)." in text_of(plain)
    assert len(related.get_payload()) == 1 + 20
    assert len(await pictures_of(read).draw(["a", "b", "a"])) == 2


async def test_pictures_are_a_megabyte_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(trig_ids: Sequence[str]) -> list[StoredStamp]:
        return [stored(each) for each in trig_ids]

    drawn = await pictures_of(read).draw(["a"])
    monkeypatch.setattr(stamp_pictures, "_MOST_BYTES", 2 * len(drawn["a"].by_role["now"]))
    mail, _ = await sent(pictures_of(read), 5)
    plain, related = mail.get_payload()
    assert "Stamps of 2 of 5 sources; without: too large together (3)." in text_of(plain)
    assert len(related.get_payload()) == 1 + 2


@pytest.mark.parametrize(
    ("fault", "reason"), [("away", "not read"), ("slow", "no time"), ("damaged", "damaged")]
)
async def test_a_digest_without_pictures_says_why(fault: str, reason: str) -> None:
    async def read(trig_ids: Sequence[str]) -> list[StoredStamp]:
        if fault == "away":
            raise TransientError("the database is away")
        if fault == "slow":
            await asyncio.Event().wait()
        return [stored(each, data=b"SIMPLE  = no") for each in trig_ids]

    timeout_s = 0.01 if fault == "slow" else 600.0
    mail, _ = await sent(StampPictures(read, timeout_s=timeout_s))
    assert mail.get_content_type() == "text/plain"
    assert f"Stamps of 0 of 1 sources; without: {reason} (1)." in text_of(mail)
