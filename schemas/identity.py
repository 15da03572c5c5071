"""Derived identities: the same input gives the same name, always and everywhere."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TEST_STREAM", "ImageDigest", "digest_image", "event_id", "stamp_id", "trig_id"]

# Every alert of this stream is a test.
TEST_STREAM = "livetrap-test"


@dataclass(frozen=True, slots=True)
class ImageDigest:
    """What identifies an image; both are 64 hexadecimal digits.

    Parameters
    ----------
    file_sha256 : str
        sha256 of the FITS file alone.
    image_id : str
        sha256 of the file and of the cards set beside it: the same where there are none.
    """

    file_sha256: str
    image_id: str


def digest_image(data: bytes, cards: Mapping[str, str]) -> ImageDigest:
    """Return the identity of an image, in one pass over its bytes.

    Parameters
    ----------
    data : bytes
        The FITS file.
    cards : mapping of str to str
        FITS cards injected through ``fits:KEY`` headers; usually empty.
    """
    digest = hashlib.sha256(data)
    file_sha256 = digest.hexdigest()
    for name in sorted(cards):
        digest.update(f"\n{name}={cards[name]}".encode())
    return ImageDigest(file_sha256, digest.hexdigest())


def trig_id(stream: str, founding_image_id: str, founding_source_number: int) -> str:
    """Return the name of a source's alert family, from the measurement that created it."""
    text = f"{stream}|{founding_image_id}|{founding_source_number}"
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:16]


def event_id(trig: str, kind: str, trigger_image_id: str) -> str:
    """Return the identity of one event of the family `trig`."""
    return hashlib.sha256(f"{trig}|{kind}|{trigger_image_id}".encode()).hexdigest()[:32]


def stamp_id(trig: str, role: str) -> str:
    """Return the identity of a stamp of the family `trig`: what it shows is its role."""
    return f"{trig}-{role}"
