"""Databases of the tests: migrated once a run, then cloned in milliseconds."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

__all__ = [
    "clone_database",
    "closed_database",
    "execute",
    "freeze_template",
    "renew_password",
    "replace_database",
]

_TEMPLATE = "livetrap"
_MAINTENANCE = "postgres"


def replace_database(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def freeze_template(url: str) -> None:
    """Let nobody connect to the migrated database: one that is in use cannot be cloned."""
    execute(
        replace_database(url, _MAINTENANCE),
        f"alter database {_TEMPLATE} with is_template true allow_connections false",
    )


def renew_password(url: str) -> None:
    """Store the password of an address anew, with the rounds that the server now asks for."""
    parts = urlsplit(url)
    execute(url, f"alter role {parts.username} password '{parts.password}'")


@contextmanager
def clone_database(url: str, *, prefix: str = "test") -> Iterator[str]:
    """Give the address of a new migrated database; drop it after.

    Parameters
    ----------
    url : str
        Any database of the server.
    prefix : str
        Begins the new database's name.
    """
    name = f"{prefix}_{uuid.uuid4().hex[:12]}"
    maintenance = replace_database(url, _MAINTENANCE)
    execute(maintenance, f"create database {name} template {_TEMPLATE} strategy file_copy")
    try:
        yield replace_database(url, name)
    finally:
        execute(maintenance, f"drop database {name} with (force)")


@contextmanager
def closed_database(url: str) -> Iterator[None]:
    """End the sessions of a database, and refuse others meanwhile."""
    name = urlsplit(url).path.lstrip("/")
    maintenance = replace_database(url, _MAINTENANCE)
    execute(maintenance, f"alter database {name} allow_connections false")
    try:
        execute(
            maintenance,
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",  # noqa: S608
        )
        yield
    finally:
        execute(maintenance, f"alter database {name} allow_connections true")


def execute(url: str, statement: str) -> None:
    """Run one statement on a connection of its own."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
