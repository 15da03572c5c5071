"""Tokens of the API: how they are made, and what is stored of them."""

import hashlib
import re
import secrets
from typing import Literal

__all__ = ["SCOPES", "Scope", "create_token", "hash_token", "is_token", "is_token_name"]

Scope = Literal["read", "annotate", "operate"]
SCOPES: tuple[Scope, ...] = ("read", "annotate", "operate")
# Scanners of leaked secrets look for a prefix.
_PREFIX = "livetrap_"
_ENTROPY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def create_token() -> str:
    """Return a new token: 256 random bits, so that a plain digest of it is safe to store."""
    return _PREFIX + secrets.token_urlsafe(_ENTROPY_BYTES)


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a token, which the database has instead of it.

    Parameters
    ----------
    token : str
        As its holder sends it.
    """
    return hashlib.sha256(token.encode()).digest()


def is_token(text: str) -> bool:
    """Return whether a text has the form of a token; others need no look into the database."""
    return text.startswith(_PREFIX)


def is_token_name(name: str) -> bool:
    """Return whether a name may be given to a token: a person or program, no spaces."""
    return _NAME.fullmatch(name) is not None
