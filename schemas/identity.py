"""Derived identities: the same input gives the same name, whenever and wherever it is seen."""

import base64
import hashlib
from collections.abc import Mapping

__all__ = ["TEST_STREAM", "event_id", "image_id", "trig_id"]

# Whatever is alerted of it is a test.
TEST_STREAM = "livetrap-test"


def image_id(data: bytes, cards: Mapping[str, str]) -> str:
    """Return the identity of an image: sha256 of its bytes and of the cards set beside them.

    Parameters
    ----------
    data : bytes
        The FITS file.
    cards : mapping of str to str
        FITS cards injected through ``fits:KEY`` headers; usually empty.

    Returns
    -------
    str
        64 hexadecimal digits; for no cards, plainly the file's sha256.
    """
    digest = hashlib.sha256(data)
    for name in sorted(cards):
        digest.update(f"\n{name}={cards[name]}".encode())
    return digest.hexdigest()


def trig_id(stream: str, founding_image_id: str, founding_source_number: int) -> str:
    """Return the name of a source's alert family, from the measurement that created it."""
    text = f"{stream}|{founding_image_id}|{founding_source_number}"
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:16]


def event_id(trig: str, kind: str, trigger_image_id: str) -> str:
    """Return the identity of one event of the family `trig`."""
    return hashlib.sha256(f"{trig}|{kind}|{trigger_image_id}".encode()).hexdigest()[:32]
