"""Fixtures of the unit tests of the distribute service."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged; tracebacks with all their variables take seconds to print."""
    with structlog.testing.capture_logs() as captured:
        yield captured
