"""Writes of the command line, which stand in the audit under the user's name."""

import getpass
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from livetrap.database.connection import with_connection
from runtime.settings import PostgresSettings
from runtime.sql import Queries

__all__ = ["write_as_user"]

T = TypeVar("T")
_QUERIES = Queries("livetrap.operator")


def write_as_user(
    settings: PostgresSettings, write: Callable[[asyncpg.Connection], Awaitable[T]]
) -> T:
    """Write in one transaction, in the name of the user of this command line.

    Errors are those of `livetrap.database.connection.connect`, and of `write`.
    """

    async def run(connection: asyncpg.Connection) -> T:
        async with connection.transaction():
            await _QUERIES.fetchval(connection, "set_actor", actor=f"command line: {_user()}")
            return await write(connection)

    return with_connection(settings, run)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        return f"uid {os.getuid()}"
