"""Answers that a client may keep: an ETag for each, 304 for one that it has."""

import hashlib
import re
from typing import Any

from fastapi import Request
from fastapi.responses import Response

__all__ = ["NOT_MODIFIED", "answer_immutable"]

# For openapi.json.
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client has it: `If-None-Match` names its ETag"}
}
_CACHE_CONTROL = "public, max-age=86400, immutable"


def answer_immutable(
    request: Request, body: bytes, media_type: str, *, vary: str | None = None
) -> Response:
    """Return an answer that never changes; 304 without its body if the client has it.

    Parameters
    ----------
    request : Request
        What was asked.
    body : bytes
        Answer.
    media_type : str
        Its content type.
    vary : str or None
        Header of the request that it depends on.

    Returns
    -------
    Response
        With an ETag, and leave to keep it for a day.
    """
    # Weak: the same answer may be sent compressed or not.
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": _CACHE_CONTROL} | ({"Vary": vary} if vary else {})
    known = re.findall(r'"[^"]*"|\*', request.headers.get("if-none-match", ""))
    if tag.removeprefix("W/") in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
