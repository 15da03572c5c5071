"""A delivery log without a database."""

from collections.abc import Sequence
from datetime import timedelta

from runtime.errors import RejectedMessageError, TransientError
from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.models import Delivery, SubscriberState

__all__ = ["MemoryDeliveryStore", "memory_log"]


class MemoryDeliveryStore:
    """Keeps what is recorded; while `is_away` is set it fails as a database that is away does."""

    def __init__(self) -> None:
        self.recorded: list[Delivery] = []
        self.unacknowledged: list[tuple[str, bytes]] = []
        self.names: set[str] = set()
        self.is_away = False
        self.unstorable = ""

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        self._fail_if_away()
        if any(each.subscriber == self.unstorable for each in deliveries):
            raise RejectedMessageError("unstorable", "PostgreSQL refuses it")
        self.recorded += deliveries

    async def touch_subscribers(self, names: Sequence[str]) -> set[str]:
        self._fail_if_away()
        return self.names & set(names)

    async def ensure_subscriber(self, _channel: str, name: str) -> SubscriberState:
        self._fail_if_away()
        self.names.add(name)
        return SubscriberState(0, 0, None)

    async def list_unacknowledged(
        self, _channel: str, _name: str, *, max_age: timedelta, limit: int
    ) -> list[tuple[str, bytes]]:
        self._fail_if_away()
        return self.unacknowledged[-limit:] if max_age else []

    def _fail_if_away(self) -> None:
        if self.is_away:
            raise TransientError("PostgreSQL is away")


def memory_log(store: MemoryDeliveryStore | None = None) -> DeliveryLog:
    """Return a log that writes to memory."""
    chosen = MemoryDeliveryStore() if store is None else store
    return DeliveryLog(chosen, max_age=timedelta(hours=24), limit=500)  # type: ignore[arg-type]
