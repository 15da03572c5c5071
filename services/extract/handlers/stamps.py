"""stamp-requests-v1 to stamps-v1: one answer a request."""

from collections.abc import Iterator, Sequence

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from schemas.codec import decode_stamp_request, encode_image_stamps
from schemas.messages import ImageStamps, StampRequest
from schemas.topics import Topics
from services.extract import metrics
from services.extract.handlers.requests import read_request, refuse_request
from services.extract.steps.stamps import StampCutter, check_request, without_stamps

__all__ = ["StampHandler"]


class StampHandler:
    """Answers requests for stamps.

    Parameters
    ----------
    cutter : StampCutter
        Cuts them.
    topics : Topics
        Where answers go.
    """

    def __init__(self, cutter: StampCutter, topics: Topics) -> None:
        self._cutter = cutter
        self._topics = topics
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="extract")
        # The request of which some stamps are cut.
        self._begun: tuple[InMessage, Iterator[ImageStamps | None]] | None = None

    def on_request(self, message: InMessage) -> Sequence[OutMessage] | None:
        """Return the answer to one request; None if more of its stamps are to be cut.

        Raises
        ------
        RejectedMessageError
            Code ``bad_avro`` if the message is not a request, ``bad_record`` if its values are
            impossible.
        """
        begun, self._begun = self._begun, None
        if begun is None or begun[0] is not message:
            begun = message, self._cutter.cut(_read(message))
        answer = next(begun[1])
        if answer is None:
            self._begun = begun
            return None
        for each in answer.stamps:
            metrics.STAMPS.labels(each.reason or "cut").inc()
        return [self._to_message(answer)]

    def reset(self) -> None:
        """Drop what is begun, and the image in memory."""
        self._begun = None
        self._cutter.reset()

    def on_rejected(self, message: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        """Return the dead letter, and an answer with the reason where the request can be read."""
        return refuse_request(
            message,
            self._dead_letters.build(message, error),
            _read,
            lambda request: self._to_message(without_stamps(request, error.reason_code)),
        )

    def _to_message(self, answer: ImageStamps) -> OutMessage:
        return OutMessage(self._topics.stamps, answer.stream.encode(), encode_image_stamps(answer))


def _read(message: InMessage) -> StampRequest:
    return read_request(message, decode_stamp_request, check_request)
