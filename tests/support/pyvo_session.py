"""A session for pyvo that leaves no socket open."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["pyvo_session"]


@contextmanager
def pyvo_session() -> Iterator[Any]:
    """Yield a session of requests; its answers, read or not, are closed at the end."""
    from pyvo.utils.http import create_session

    answers: list[Any] = []

    def remember(answer: Any, *_: object, **__: object) -> None:
        answers.append(answer)

    with create_session() as session:
        session.hooks["response"].append(remember)
        try:
            yield session
        finally:
            for answer in answers:
                answer.close()
