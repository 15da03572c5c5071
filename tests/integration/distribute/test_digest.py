"""The digest by e-mail: one for many alerts, and only to a mail server that proves who it is."""

import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from runtime.errors import SettingsError
from runtime.settings import EmailSettings
from runtime.threads import run_in_thread
from services.distribute.errors import DeliveryError
from services.distribute.handlers.digest import Digest
from services.distribute.models import OutgoingAlert
from services.distribute.storage import DeliveryStore
from tests.support.mail_server import MailServer, mail_server
from tests.support.receivers import build_channel, issue, running, until
from tests.support.secure_broker import Authority
from tests.support.vtp_events import build_test_alert, source_event


def settings(server: MailServer, **changes: Any) -> EmailSettings:
    values = {
        "host": "127.0.0.1", "port": server.port, "sender": "livetrap@example.org",
        "recipients": ("a@example.org", "b@example.org"),
    }  # fmt: skip
    return EmailSettings(**(values | changes))


def outgoing() -> OutgoingAlert:
    alert = build_test_alert(source_event())
    return OutgoingAlert(alert.ivorn, alert.voevent, alert.notice)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_the_digest_is_one_mail_for_many_alerts(pool: asyncpg.Pool) -> None:
    store = DeliveryStore(pool)
    name = f"digest-{uuid.uuid4().hex[:8]}"
    await store.ensure_subscriber("email", name)
    expected = await issue(pool, 3)
    async with mail_server() as server:
        digest = Digest(settings(server, starttls=False), run_in_thread)
        async with running(build_channel("email", name, digest.deliver, store, pause_s=60)):
            await until(lambda: server.mails)
        (mail,) = server.messages
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Subject"] == "LiveTrap: 3 alerts"
    text = mail.get_payload(decode=True).decode().replace("=\r\n", "")
    assert all(ivorn in text for ivorn in expected)


async def test_a_certificate_of_a_private_authority_is_accepted_with_its_file(
    authority: Authority,
) -> None:
    async with mail_server(authority.issue("mail")) as server:
        digest = Digest(settings(server, ca_file=authority.path), run_in_thread)
        await digest.deliver([outgoing()])
        assert len(server.mails) == 1
        assert server.commands[:3] == ["EHLO", "STARTTLS", "EHLO"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(authority: Authority) -> None:
    async with mail_server(authority.issue("mail")) as server:
        login = {"username": "me", "password": "hunter2"}
        digest = Digest(settings(server, **login), run_in_thread)
        with pytest.raises(DeliveryError, match="certificate verify failed"):
            await digest.deliver([outgoing()])
        await until(lambda: "broken off" in server.commands)
        assert server.mails == []
        assert "AUTH" not in server.commands


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    async with mail_server(authority.issue("mail")) as server:
        elsewhere = settings(server, host="localhost", ca_file=authority.path)
        with pytest.raises(DeliveryError, match="certificate verify failed"):
            await Digest(elsewhere, run_in_thread).deliver([outgoing()])
        assert server.mails == []


async def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    async with mail_server() as server:
        with pytest.raises(DeliveryError, match="STARTTLS"):
            await Digest(settings(server), run_in_thread).deliver([outgoing()])
        assert server.mails == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_wrong_file_of_certificates_is_a_wrong_setting(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    wrong = EmailSettings(host="x", sender="a@b", recipients=("c@d",), ca_file=path)
    with pytest.raises(SettingsError, match=r"ca\.pem.*LIVETRAP_DISTRIBUTE__EMAIL"):
        Digest(wrong, run_in_thread)


async def test_the_operator_gets_an_e_mail_of_its_own() -> None:
    async with mail_server() as server:
        digest = Digest(settings(server, starttls=False), run_in_thread)
        await digest.tell("webhook robot does not answer", "8 attempts in a row have failed")
        (mail,) = server.messages
    assert mail["Subject"] == "LiveTrap: webhook robot does not answer"
    assert "8 attempts" in mail.get_payload()
    with pytest.raises(DeliveryError):
        await digest.tell("webhook robot does not answer", "to a mail server that is gone")
