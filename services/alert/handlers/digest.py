"""An e-mail now and then with the alerts since the last one."""

import smtplib
from collections.abc import Callable, Coroutine
from email.message import EmailMessage
from typing import Any

import orjson

from runtime.settings import EmailSettings
from services.alert.models import OutgoingAlert
from services.alert.steps.webhook import DeliveryError

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
    """

    def __init__(self, settings: EmailSettings, run_in_thread: RunInThread) -> None:
        self._settings = settings
        self._run_in_thread = run_in_thread

    async def deliver(self, alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        """Send all of them in one e-mail; return them.

        Raises
        ------
        DeliveryError
            If the mail server did not take it.
        """
        message = _to_message(alerts, self._settings)
        try:
            await self._run_in_thread(lambda: self._send(message))
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(repr(error)) from error
        return alerts

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        with smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_S) as server:
            if settings.starttls:
                server.starttls()
            if settings.username and settings.password is not None:
                server.login(settings.username, settings.password.get_secret_value())
            server.send_message(message)


def _to_message(alerts: list[OutgoingAlert], settings: EmailSettings) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"LiveTrap: {len(alerts)} alert{'s' if len(alerts) > 1 else ''}"
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message.set_content("\n".join(_to_line(alert) for alert in alerts))
    return message


def _to_line(alert: OutgoingAlert) -> str:
    told = orjson.loads(alert.notice)
    snr = f"  S/N {told['image_snr']:.1f}" if "image_snr" in told else ""
    return (
        f"{told['alert_datetime']}  {told['alert_type']}  {told['kind']}{snr}  "
        f"{told['ra']:.4f} {told['dec']:+.4f}  {alert.ivorn}"
    )
