"""Images that were measured before, read from Kafka once more."""

from collections.abc import Callable
from dataclasses import dataclass

from runtime.kafka import InMessage
from schemas.messages import SourceOffset
from schemas.reasons import ForcedReason
from services.extract.errors import RejectedImageError
from services.extract.models import ReceivedImage
from services.extract.steps.image_message import read_message

__all__ = ["FetchMessage", "ImagesAgain"]

FetchMessage = Callable[[str, int, int], InMessage | None]


@dataclass(frozen=True, slots=True)
class ImagesAgain:
    """Reads images by their offsets.

    Parameters
    ----------
    fetch_message : callable
        Reads one message of a topic again, by partition and offset; None if Kafka has deleted
        it.
    images_topic : str
        Topic of the images that can be read again.
    cluster_id : str
        Kafka cluster that the images are on.
    """

    fetch_message: FetchMessage
    images_topic: str
    cluster_id: str

    def read(self, source: SourceOffset, image_id: str) -> ReceivedImage:
        """Return an image from Kafka.

        Raises
        ------
        RejectedImageError
            Codes ``image_elsewhere``, ``image_gone``.
        """
        if (source.cluster_id, source.topic) != (self.cluster_id, self.images_topic):
            raise RejectedImageError(
                ForcedReason.IMAGE_ELSEWHERE,
                f"the image was on topic {source.topic} of cluster {source.cluster_id}, not on "
                f"{self.images_topic} of this one",
            )
        message = self.fetch_message(source.topic, source.partition, source.offset)
        received = None if message is None else read_message(message, self.cluster_id)
        if received is None or received.digest.image_id != image_id:
            raise RejectedImageError(
                ForcedReason.IMAGE_GONE,
                f"{source.topic} no longer holds the image at partition {source.partition}, "
                f"offset {source.offset}: its retention has passed",
            )
        return received
