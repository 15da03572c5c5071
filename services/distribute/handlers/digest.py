"""An e-mail from time to time with the alerts since the last one."""

import smtplib
import ssl
from collections.abc import Callable, Coroutine
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from runtime.errors import SettingsError
from runtime.settings import EmailSettings
from services.distribute.errors import DeliveryError
from services.distribute.handlers.stamp_pictures import StampPictures
from services.distribute.models import OutgoingAlert
from services.distribute.steps.digest import fill_digest, trig_id_of

__all__ = ["Digest"]

_TIMEOUT_S = 20.0
RunInThread = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]


class Digest:
    """One e-mail for many alerts.

    Parameters
    ----------
    settings : EmailSettings
        Server, sender, recipients.
    run_in_thread : callable
        Runs a blocking call beside the event loop.
    pictures : StampPictures or None
        Draws the stamps of its sources; None: it has no pictures.

    Raises
    ------
    SettingsError
        If the file of certificates cannot be read or holds none.
    """

    def __init__(
        self,
        settings: EmailSettings,
        run_in_thread: RunInThread,
        pictures: StampPictures | None = None,
    ) -> None:
        self._settings = settings
        self._pictures = pictures
        self._run_in_thread = run_in_thread
        self._tls = _create_tls_context(settings.ca_file) if settings.starttls else None

    async def deliver(self, alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        """Send all of them in one e-mail; return them.

        Raises
        ------
        DeliveryError
            If the mail server did not accept it, or its certificate is not valid.
        """
        subject = f"LiveTrap: {len(alerts)} alert{'s' if len(alerts) > 1 else ''}"
        message = _start_message(subject, self._settings)
        pictures = self._pictures and await self._pictures.draw(map(trig_id_of, alerts))
        fill_digest(message, alerts, pictures or {})
        await self._send_or_fail(message)
        return alerts

    async def tell(self, subject: str, text: str) -> None:
        """Send one e-mail about the service.

        Raises
        ------
        DeliveryError
            If the mail server did not accept it, or its certificate is not valid.
        """
        message = _start_message(f"LiveTrap: {subject}", self._settings)
        message.set_content(text)
        await self._send_or_fail(message)

    async def _send_or_fail(self, message: EmailMessage) -> None:
        try:
            await self._run_in_thread(lambda: self._send(message))
        except UnicodeError:
            raise DeliveryError("name, password or address of the mail is not ASCII") from None
        except smtplib.SMTPAuthenticationError as error:  # some servers repeat what they got
            raise DeliveryError(f"the mail server refuses the login: {error.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(repr(error)) from error

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        with smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_S) as server:
            if self._tls is not None:
                # Without a context smtplib accepts any certificate, also that of an attacker.
                server.starttls(context=self._tls)
            if settings.username and settings.password is not None:
                server.login(settings.username, settings.password.get_secret_value())
            server.send_message(message)


def _create_tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that requires a valid certificate for the name of the server."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # of which ssl.SSLError is one
        raise SettingsError(
            f"cannot read certificates (PEM) from {ca_file}: {error} "
            "(LIVETRAP_DISTRIBUTE__EMAIL, ca_file)"
        ) from error


def _start_message(subject: str, settings: EmailSettings) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    return message
