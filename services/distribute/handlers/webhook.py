"""POST an alert to a webhook."""

import asyncio
import socket
import time
from contextlib import suppress

import httpx

from runtime.settings import WebhookSettings
from runtime.threads import run_in_thread
from services.distribute.errors import DeliveryError, RefusedError
from services.distribute.handlers.bounded_answers import BoundedTransport
from services.distribute.handlers.stamp_pictures import StampPictures
from services.distribute.models import OutgoingAlert
from services.distribute.steps.digest import trig_id_of
from services.distribute.steps.webhook import add_stamps, check_addresses, sign, to_body

__all__ = ["Webhook"]

# One attempt: look up the name, connect, send, read the answer.
_TIMEOUT_S = 15.0
# The rest of an answer whose status is known; its connection is used again if it ends in time.
_REST_TIMEOUT_S = 1.0
_PORTS = {"http": 80, "https": 443}
# Bad request, too large, unprocessable: the server has read this alert and refuses it.
_REFUSAL_STATUSES = frozenset({400, 413, 422})


class Webhook:
    """One server that gets every alert.

    Parameters
    ----------
    settings : WebhookSettings
        Where it is, and the secret.
    pictures : StampPictures or None
        Draws the stamps that its notices carry; None: they carry none.
    """

    def __init__(self, settings: WebhookSettings, pictures: StampPictures | None = None) -> None:
        self._settings = settings
        self._pictures = pictures
        self._url = httpx.URL(str(settings.url))
        # No proxy and no redirect: either could lead to an address that was not checked.
        self._client = httpx.AsyncClient(
            transport=BoundedTransport(),
            timeout=_TIMEOUT_S,
            trust_env=False,
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def deliver(self, alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        """Send the first alert; return what was sent.

        Raises
        ------
        DeliveryError
            If the server did not answer 2xx; `RefusedError` if it refuses this alert.
        """
        alert = alerts[0]
        body, media_type = to_body(alert, self._settings.format)
        if self._pictures is not None:
            trig_id = trig_id_of(alert)
            body = add_stamps(body, (await self._pictures.draw([trig_id]))[trig_id])
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": media_type,
            "Host": self._url.netloc.decode(),
            "X-LiveTrap-Ivorn": alert.ivorn,
            "X-LiveTrap-Timestamp": timestamp,
        }
        if self._settings.secret is not None:
            signature = sign(self._settings.secret.get_secret_value(), timestamp, body)
            headers["X-LiveTrap-Signature"] = f"sha256={signature}"
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._post(body, headers)
        # TimeoutError is an OSError; a name that no server of names can have is a UnicodeError.
        except (httpx.HTTPError, UnicodeError, OSError) as error:
            raise DeliveryError(repr(error)) from error
        result = f"answered {answer.status_code} {answer.reason_phrase}"
        if answer.status_code in _REFUSAL_STATUSES:
            raise RefusedError(result)
        if not answer.is_success:
            raise DeliveryError(result)
        return [alert]

    async def _post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Return the answer; of what follows its headers as little as possible is read."""
        request = self._client.build_request(
            "POST",
            self._url.copy_with(host=await self._resolve()),
            content=body,
            headers=headers,
            extensions={"sni_hostname": self._url.host},
        )
        answer = await self._client.send(request, stream=True)
        try:
            with suppress(TimeoutError, httpx.HTTPError):  # the status says enough
                async with asyncio.timeout(_REST_TIMEOUT_S):
                    async for _ in answer.aiter_raw():  # as it comes, not unpacked
                        pass
        finally:
            await answer.aclose()
        return answer

    async def _resolve(self) -> str:
        """Return the address that was checked: a second DNS query could return another."""
        port = self._url.port or _PORTS[self._url.scheme]
        # A thread of its own: the few of the event loop could all wait for slow servers of names.
        found = await run_in_thread(
            lambda: socket.getaddrinfo(self._url.host, port, type=socket.SOCK_STREAM)
        )
        addresses = [str(each[4][0]) for each in found]
        return check_addresses(
            self._url.host, addresses, allow_private=self._settings.allow_private
        )
