"""Bring a database to the current schema: forward only, each file once, one process at a time."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import asyncpg
from pydantic import SecretStr

from livetrap.database.connection import with_connection
from runtime.errors import FatalError
from runtime.settings import PostgresSettings
from runtime.sql import Queries

__all__ = ["Migration", "load_migrations", "migrate", "pending"]

_NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")
_LOCK_KEY = 0x4C69_7665_5472_6170  # "LiveTrap"
_QUERIES = Queries("livetrap.database")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``schemas/sql``.

    Parameters
    ----------
    name : str
        ``NNNN_name.sql``; the order is that of the names.
    text : str
        Its statements.
    """

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Digest of the text, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_migrations() -> tuple[Migration, ...]:
    """Return every migration of this version, in order.

    Raises
    ------
    FatalError
        If a file is not named ``NNNN_name.sql`` or a number occurs twice.
    """
    found = [item for item in (files("schemas") / "sql").iterdir() if item.name.endswith(".sql")]
    names = sorted(item.name for item in found)
    for name in names:
        if not _NAME.match(name):
            raise FatalError(f"schemas/sql/{name} must be named NNNN_name.sql")
    if len({name[:4] for name in names}) != len(names):
        raise FatalError("two files in schemas/sql have the same number; renumber the newer one")
    return tuple(
        Migration(item.name, item.read_text(encoding="utf-8"))
        for item in sorted(found, key=lambda item: item.name)
    )


def pending(known: tuple[Migration, ...], applied: dict[str, str]) -> tuple[Migration, ...]:
    """Return the migrations that a database lacks.

    Parameters
    ----------
    known : tuple of Migration
        Files of this version, in order.
    applied : dict
        sha256 by name, as recorded in the database.

    Returns
    -------
    tuple of Migration
        In the order to apply them.

    Raises
    ------
    FatalError
        If an applied file was changed or replaced since, or one would have to go before an
        applied one.
    """
    _check_replaced(known, applied)
    for migration in known:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise FatalError(
                f"migration {migration.name} was changed after this database applied it; "
                "restore the file and put the change into a new one"
            )
    todo = tuple(migration for migration in known if migration.name not in applied)
    newest = max(applied, default="")
    if todo and todo[0].name < newest:
        raise FatalError(
            f"migration {todo[0].name} comes before {newest}, which this database has already; "
            "give it a higher number"
        )
    return todo


def _check_replaced(known: tuple[Migration, ...], applied: dict[str, str]) -> None:
    """Refuse a database that applied another file under the number of a known one."""
    by_number = {migration.name[:4]: migration.name for migration in known}
    for name in sorted(applied):
        if by_number.get(name[:4], name) != name:
            raise FatalError(
                f"this database was created by an unreleased version ({name}, now "
                f"{by_number[name[:4]]}) and cannot be converted; create an empty database and "
                "name it in LIVETRAP_POSTGRES__URL (`livetrap up`: another --data-dir)"
            )


def migrate(postgres_url: str) -> list[str]:
    """Apply every missing migration, each in its own transaction.

    Parameters
    ----------
    postgres_url : str
        ``postgresql://user:password@host:port/database``.

    Returns
    -------
    list of str
        Names of the files that were applied now.

    Raises
    ------
    FatalError
        If the database refuses the login or a statement, or a file does not fit (see `pending`).
    TransientError
        If the database is unavailable.
    """
    return with_connection(PostgresSettings(url=SecretStr(postgres_url)), _apply_all)


async def _apply_all(connection: asyncpg.Connection) -> list[str]:
    """Apply what is missing, under a lock."""
    await _QUERIES.execute(connection, "lock_migrations", key=_LOCK_KEY)
    await _QUERIES.execute(connection, "create_schema_migration")
    rows = await _QUERIES.fetch(connection, "get_schema_migrations")
    todo = pending(load_migrations(), {row["name"]: row["sha256"] for row in rows})
    for migration in todo:
        await _apply(connection, migration)
    return [migration.name for migration in todo]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    """Apply and record one file, in one transaction."""
    try:
        async with connection.transaction():
            await connection.execute(migration.text)
            await _QUERIES.execute(
                connection,
                "insert_schema_migration",
                name=migration.name,
                sha256=migration.sha256,
            )
    except asyncpg.PostgresError as error:
        raise FatalError(f"migration {migration.name} failed: {error}") from error
