"""Answers of lists that the same question gets again within a moment."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SharedAnswers"]

Messages = tuple[Message, ...]
_Key = tuple[str, bytes, str, str, str]
_MOST_ANSWERS = 64
_MOST_BYTES = 256 << 10
# What may change an answer beside the address, or asks for a part of it.
_PRIVATE = ("authorization", "if-none-match", "range", "cookie")


@dataclass(slots=True)
class _Answer:
    """An answer that is being made, or was made lately; None: it is not for others."""

    # An answer is as old as its question.
    started_s: float
    messages: "asyncio.Future[Messages | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class SharedAnswers:
    """Answers the same GET of a list once, for all who ask within a moment of its beginning.

    Parameters
    ----------
    app : callable
        Answers the others.
    paths : collection of str
        Lists that are shared.
    max_age_s : float
        Greatest age of a question whose answer is given again [s]; 0: none is.
    """

    def __init__(self, app: ASGIApp, *, paths: Collection[str], max_age_s: float) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._max_age_s = max_age_s
        self._answers: OrderedDict[_Key, _Answer] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        key = self._key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        known = self._answers.get(key)
        if known is None or time.monotonic() - known.started_s > self._max_age_s:
            await self._answer(key, scope, receive, send)
            return
        messages = await asyncio.shield(known.messages)
        if messages is None:
            await self._app(scope, receive, send)
            return
        for message in messages:
            # A message is changed on its way: the next one gets its own.
            headers = {"headers": list(message["headers"])} if "headers" in message else {}
            await send({**message, **headers})

    def _key_of(self, scope: Scope) -> _Key | None:
        """Return what the answer depends on; None if it is for this client alone."""
        if not self._max_age_s or scope["method"] != "GET" or scope["path"] not in self._paths:
            return None
        headers = Headers(scope=scope)
        if any(name in headers for name in _PRIVATE):
            return None
        accepted = headers.get("accept", ""), headers.get("accept-encoding", "")
        return scope["path"], scope["query_string"], headers.get("host", ""), *accepted

    async def _answer(self, key: _Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and keep what is sent for the others."""
        made = self._answers[key] = _Answer(time.monotonic())
        self._answers.move_to_end(key)
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
        kept: list[Message] = []
        n_bytes = 0

        async def send_kept(message: Message) -> None:
            nonlocal n_bytes
            n_bytes += len(message.get("body", b""))
            if n_bytes <= _MOST_BYTES:
                copied = {"headers": list(message["headers"])} if "headers" in message else {}
                kept.append({**message, **copied})
            await send(message)

        try:
            await self._app(scope, receive, send_kept)
        finally:
            is_whole = (
                n_bytes <= _MOST_BYTES
                and len(kept) > 1
                and kept[0]["status"] == 200
                and not kept[-1].get("more_body", False)
            )
            if not is_whole and self._answers.get(key) is made:
                del self._answers[key]
            made.messages.set_result(tuple(kept) if is_whole else None)
