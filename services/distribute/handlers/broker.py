"""Submit an alert to another VOEvent broker, as authors do.

References
----------
Swinbank et al. (2017), VOEvent Transport Protocol 2.0, IVOA Recommendation; arXiv:1709.01264.
"""

import asyncio
import struct

from runtime.settings import BrokerSettings
from services.distribute.errors import DeliveryError, RefusedError, TransportError
from services.distribute.models import OutgoingAlert
from services.distribute.steps.broker import MAX_ANSWER_BYTES, check_answer
from services.distribute.steps.transport import frame, parse_peer_message

__all__ = ["Broker"]

_TIMEOUT_S = 20.0  # as Comet's
_MAX_REFUSALS_REMEMBERED = 1000


class Broker:
    """One broker that gets every alert; one connection an alert, as the protocol requires.

    Parameters
    ----------
    settings : BrokerSettings
        Where it is.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._refused: dict[str, str] = {}

    async def deliver(self, alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        """Send the first alert; return what was sent.

        Raises
        ------
        DeliveryError
            If the broker did not acknowledge it; `RefusedError` if it refuses this alert.
        """
        alert = alerts[0]
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = parse_peer_message(await self._request(frame(alert.voevent)))
        except TransportError as error:
            raise DeliveryError("its answer is no Transport document") from error
        except asyncio.IncompleteReadError as error:
            raise DeliveryError("closed the connection without an answer") from error
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {_TIMEOUT_S:g} s") from error
        except OSError as error:
            raise DeliveryError(repr(error)) from error
        try:
            check_answer(answer, self._refused.get(alert.ivorn))
        except RefusedError as error:
            self._remember_refusal(alert.ivorn, str(error))
            raise
        return [alert]

    async def _request(self, framed: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._settings.host, self._settings.port)
        try:
            writer.write(framed)
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            if length > MAX_ANSWER_BYTES:
                raise TransportError("oversize")
            return await reader.readexactly(length)
        finally:
            writer.transport.abort()

    def _remember_refusal(self, ivorn: str, reason: str) -> None:
        self._refused[ivorn] = reason
        while len(self._refused) > _MAX_REFUSALS_REMEMBERED:
            del self._refused[next(iter(self._refused))]
