"""What the transactions of the associator ask PostgreSQL."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.associate.storage.transaction import Transaction

__all__ = ["counted_statements"]


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
