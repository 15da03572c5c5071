"""Topics that Kafka does not delete stay due, and the log says why, once for each reason."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from runtime.errors import TransientError
from services.distribute.handlers.unused_topics import UnusedTopics
from tests.support.receivers import always


class FakeStore:
    """Forgets what is taken, unless there is an error."""

    def __init__(self) -> None:
        self.names = ["bright-north"]

    @asynccontextmanager
    async def take(self, *, unused_s: float, limit: int) -> AsyncIterator[list[str]]:  # noqa: ARG002  (of the real one)
        yield list(self.names)
        self.names.clear()


class FakeKafka:
    """Refuses as often as there are reasons."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self._reasons: Iterator[str] = iter(reasons)

    async def delete(self, _: Sequence[str]) -> None:
        for reason in self._reasons:
            raise TransientError(reason)


async def test_each_reason_is_told_once_and_the_topics_stay_due() -> None:
    reasons = ["TOPIC_AUTHORIZATION_FAILED"] * 3 + ["away"] * 2
    store, kafka = FakeStore(), FakeKafka(reasons)
    unused = UnusedTopics(store, delete=kafka.delete, may_delete=always, unused_s=0.0)  # type: ignore[arg-type]
    with capture_logs() as logs:
        for reason in reasons:
            with pytest.raises(TransientError, match=reason):
                await unused.delete_due()
            assert store.names == ["bright-north"]
        await unused.delete_due()
    assert store.names == []
    told = [(each["event"], each.get("error")) for each in logs]
    assert told == [
        ("topics_not_deleted", "TOPIC_AUTHORIZATION_FAILED"),
        ("topics_not_deleted", "away"),
        ("topic_deleted", None),
    ]
