"""A streamed table: errors before its first piece are answers, later ones end the transfer."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import anyio
import asyncpg
from starlette.responses import StreamingResponse
from starlette.types import Send

from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS

__all__ = ["TableResponse", "start_table"]

# A client that takes longer holds a database connection for too long.
_TIMEOUT_S = 300.0
_CLOSE_TIMEOUT_S = 5.0
# The timeout is one of them.
_ERRORS = (TransientError, *UNAVAILABLE_ERRORS, asyncpg.PostgresError)


async def start_table(
    pieces: AsyncGenerator[bytes, None],
    *,
    media_type: str,
    file_name: str,
    headers: Mapping[str, str] | None = None,
) -> "TableResponse":
    """Return the answer as soon as its first piece is there.

    Parameters
    ----------
    pieces : async generator of bytes
        The body; closed at the end.
    media_type : str
        Content type.
    file_name : str
        Name under which a browser saves it.
    headers : mapping or None
        More headers of the answer.
    """
    answer = TableResponse(await anext(pieces), pieces, media_type=media_type, file_name=file_name)
    answer.headers.update(headers or {})
    return answer


class TableResponse(StreamingResponse):
    """Sends pieces as they come and closes their generator at the end, whatever happens.

    If the database fails on the way, or the client takes longer than 300 s, the connection is
    closed without the end of the body: the client sees an incomplete transfer.
    """

    def __init__(
        self,
        first: bytes,
        others: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        file_name: str,
    ) -> None:
        headers = {"Content-Disposition": f'inline; filename="{file_name}"'}
        super().__init__(_chain(first, others), media_type=media_type, headers=headers)
        self._pieces = others
        self._file_name = file_name

    async def stream_response(self, send: Send) -> None:
        """Send the pieces."""
        try:
            with anyio.fail_after(_TIMEOUT_S):
                await super().stream_response(send)
        except _ERRORS as error:
            get_logger().warning("export_aborted", file=self._file_name, error=repr(error))
        finally:
            with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True):
                await self._pieces.aclose()


async def _chain(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in others:
        yield piece
