"""The database allows the delivery channels that the code knows, and no other."""

import re

import asyncpg
import pytest

from schemas.delivery_channels import DeliveryChannelName

_CONSTRAINT = """
select pg_get_constraintdef(pg_constraint.oid)
from pg_constraint
inner join pg_attribute
    on
        pg_constraint.conrelid = pg_attribute.attrelid
        and pg_constraint.conkey = array[pg_attribute.attnum]
where
    pg_constraint.contype = 'c'
    and pg_constraint.conrelid = $1::regclass
    and pg_attribute.attname = 'channel'
"""
# Kafka has no subscribers of its own: whoever reads a topic is not known.
_NAMED = set(DeliveryChannelName) - {DeliveryChannelName.KAFKA}


@pytest.mark.parametrize(
    ("table", "names"), [("delivery", set(DeliveryChannelName)), ("subscriber", _NAMED)]
)
async def test_the_database_allows_the_same_channels(
    postgres_url: str, table: str, names: set[str]
) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        (constraint,) = await connection.fetch(_CONSTRAINT, table)
    finally:
        await connection.close()
    assert set(re.findall(r"'(\w+)'", constraint[0])) == names
