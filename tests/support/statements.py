"""What the transactions of the associator ask PostgreSQL."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.associate.storage.transaction import Transaction

__all__ = ["counted_statements", "without_polls"]

# The relay looks into the outbox once a second, too.
_POLLS = ("lock_outbox", "take_outbox")


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the statements of transactions by their names."""
    counts: Counter[str] = Counter()
    for name in ("_fetch", "_fetchval", "_execute", "_execute_each"):
        original = getattr(Transaction, name)

        async def counting(
            self: Transaction, query: str, /, *rows: Any, _original: Any = original, **values: Any
        ) -> Any:
            counts[query] += 1
            return await _original(self, query, *rows, **values)

        monkeypatch.setattr(Transaction, name, counting)
    yield counts
    monkeypatch.undo()


def without_polls(statements: Counter[str]) -> Counter[str]:
    """Return the statements whose number does not depend on the clock."""
    return Counter({name: n for name, n in statements.items() if name not in _POLLS})
