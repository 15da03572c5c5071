"""forced-requests-v1 to forced-measurements-v1: one answer a request."""

from collections.abc import Sequence

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from schemas.codec import decode_forced_request, encode_forced_measurements
from schemas.messages import ForcedMeasurements, ForcedRequest
from schemas.topics import Topics
from services.extract import metrics
from services.extract.handlers.requests import read_request, refuse_request
from services.extract.steps.forced_requests import (
    ForcedPhotometry,
    check_request,
    without_fluxes,
)

__all__ = ["ForcedHandler"]


class ForcedHandler:
    """Answers requests for forced photometry.

    Parameters
    ----------
    photometry : ForcedPhotometry
        Measures the positions.
    topics : Topics
        Where answers go.
    """

    def __init__(self, photometry: ForcedPhotometry, topics: Topics) -> None:
        self._photometry = photometry
        self._topics = topics
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="extract")

    def on_request(self, message: InMessage) -> Sequence[OutMessage]:
        """Return the answer to one request.

        Raises
        ------
        RejectedMessageError
            Code ``bad_avro`` if the message is not a request, ``bad_record`` if its values are
            impossible.
        """
        request = _read(message)
        answer = self._photometry.measure(request)
        metrics.FORCED.labels(answer.missing_reason or "measured").inc(
            len(request.positions.extraction_type)
        )
        return [self._to_message(answer)]

    def on_rejected(self, message: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        """Return the dead letter, and an answer with the reason where the request can be read."""
        return refuse_request(
            message,
            self._dead_letters.build(message, error),
            _read,
            lambda request: self._to_message(without_fluxes(request, error.reason_code)),
        )

    def _to_message(self, answer: ForcedMeasurements) -> OutMessage:
        value = encode_forced_measurements(answer)
        return OutMessage(self._topics.forced_measurements, answer.stream.encode(), value)


def _read(message: InMessage) -> ForcedRequest:
    return read_request(message, decode_forced_request, check_request)
