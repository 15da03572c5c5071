"""The plan that PostgreSQL makes of a query of the API."""

from collections.abc import Mapping

import asyncpg

from runtime.sql import load_statement

__all__ = ["plan_of"]


async def plan_of(
    connection: asyncpg.Connection, query: str, mode: str, parameters: Mapping[str, object]
) -> str:
    """Return the plan of a query, within a transaction, by a plan_cache_mode."""
    statement = load_statement("api", query)
    arguments = ", ".join(
        "null" if value is None else f"'{_to_literal(value)}'"
        for value in statement.to_arguments(parameters, missing_is_null=True)
    )
    await connection.execute(f"set local plan_cache_mode = {mode}")
    await connection.execute(f"prepare planned as {statement.text}")
    found = await connection.fetch(f"explain execute planned ({arguments})")
    await connection.execute("deallocate planned")
    return "\n".join(row[0] for row in found)


def _to_literal(value: object) -> object:
    return f"{{{','.join(map(str, value))}}}" if isinstance(value, list) else value
