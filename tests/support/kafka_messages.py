"""Messages as confluent_kafka gives them, without a broker; and the impossible headers of some."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.kafka import InMessage, consume_batch

__all__ = ["Headers", "hostile_headers", "hostile_key", "received"]

# An exception is what confluent_kafka raises for a name that is not UTF-8.
Headers = list[tuple[str, bytes | None]] | UnicodeDecodeError | None
_NAMES = (
    "t-sent", "image-id", "stream", "n", "content-type", "sha256", "fits:BMAJ", "fits:", "",
    "traceparent", "topic", "partition", "offset", "reason", "error", "ivorn", "_id", "\x00", "é",
)  # fmt: skip
_TEXTS = (
    "", "\x00", "a\x00b", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday",
    "2024-03-05T06:07:08Z", "f" * 64, "../../etc", "x" * 5000, "a:b", "UPPER case", "-1", "1e999",
)  # fmt: skip


class _Message:
    """What `consume_batch` asks a message of confluent_kafka for."""

    def __init__(self, place: tuple[str, int, int], key: bytes | None, value: bytes | None,
                 headers: Headers) -> None:  # fmt: skip
        self._place, self._key, self._value, self._headers = place, key, value, headers

    def error(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 2, 1_780_000_000_000

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers | None:
        if isinstance(self._headers, Exception):
            raise self._headers
        return self._headers


class _Consumer:
    def __init__(self, message: _Message) -> None:
        self._message = message

    def consume(self, _limit: int, _timeout_s: float) -> Sequence[_Message]:
        return [self._message]


def received(
    place: tuple[str, int, int], *, key: bytes | None, value: bytes | None,
    headers: Headers = None,
) -> InMessage:  # fmt: skip
    """Return a message as the services get it: its topic, partition and offset, key and value."""
    consumer: Any = _Consumer(_Message(place, key, value, headers))
    (message,) = consume_batch(consumer, limit=1, timeout_s=0)
    return message


def hostile_headers(
    rng: np.random.Generator, *, beside: Sequence[tuple[str, bytes | None]] = ()
) -> Headers:
    """Return headers that no client library would write: binary, repeated, huge, absent."""
    if rng.random() < 0.05:
        return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    if rng.random() < 0.1:
        return None
    headers = list(beside)
    for _ in range(int(rng.integers(0, 8))):
        values = (
            None, b"", rng.bytes(int(rng.integers(1, 60))), b"\xff\xfe\x00",
            str(rng.choice(_TEXTS)).encode(), str(rng.choice(_TEXTS)).encode(),
        )  # fmt: skip
        headers.append((str(rng.choice(_NAMES)), values[int(rng.integers(0, len(values)))]))
    if headers and rng.random() < 0.2:
        headers += headers
    if rng.random() < 0.03:
        headers.append(("large", bytes(1 << 20)))
    return headers


def hostile_key(rng: np.random.Generator) -> bytes | None:
    """Return a key that no client library would write."""
    keys = (
        None, b"", rng.bytes(int(rng.integers(1, 300))), rng.bytes(10_000), b"\x00", b"a:b:c:d",
        b":", "é:é".encode(), b"night", b"x" * 10_000,
    )  # fmt: skip
    return keys[int(rng.integers(0, len(keys)))]
