"""A Kafka that accepts every alert and keeps its packet."""

from collections.abc import Sequence

from services.alert.models import StoredAlert

__all__ = ["MemorySender"]


class MemorySender:
    """The alerts that were sent, in their order.

    Parameters
    ----------
    packets : list of bytes, optional
        Where the VOEvents are kept.
    """

    def __init__(self, packets: list[bytes] | None = None) -> None:
        self.packets = [] if packets is None else packets

    async def check_cluster(self) -> None:
        """Nothing to do: there is no other one."""

    def known_ends(self) -> dict[str, int]:
        return {}

    async def find_sent(self, _: Sequence[StoredAlert]) -> dict[str, set[str]]:
        return {}

    async def send(self, alerts: Sequence[StoredAlert], _: object) -> None:
        self.packets += [alert.voevent for alert in alerts]
