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
        """Answer a request; one that may write ends what was shared before."""
        key = self._key_of(scope)
        if key is None:
            try:
                await self._app(scope, receive, send)
            finally:
                if scope["method"] != "GET":
                    self._answers.clear()
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
            await send(_copy(message))

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

        async def send_kept(message: Message) -> None:
            if not made.messages.done():
                kept.append(_copy(message))
                if message.get("more_body", False) or len(message.get("body", b"")) > _MOST_BYTES:
                    self._share(key, made, None)
                elif message["type"] == "http.response.body":
                    is_good = kept[0]["status"] == 200
                    self._share(key, made, tuple(kept) if is_good else None)
            # Only now: who reads slowly keeps nobody waiting.
            await send(message)

        try:
            await self._app(scope, receive, send_kept)
        finally:
            if not made.messages.done():
                self._share(key, made, None)

    def _share(self, key: _Key, made: _Answer, messages: Messages | None) -> None:
        """Give an answer to those who wait for it; forget it if it is not for others."""
        made.messages.set_result(messages)
        if messages is None and self._answers.get(key) is made:
            del self._answers[key]


def _copy(message: Message) -> Message:
    """Return a message of its own: it is changed on its way."""
    return {**message, "headers": list(message["headers"])} if "headers" in message else message
