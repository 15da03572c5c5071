"""The plan of a statement about a source has the measurements of its stream alone."""

from datetime import UTC, datetime, timedelta

import asyncpg

from runtime.sql import load_statement

STREAMS = (900_000_001, 900_000_002, 900_000_003)
MONTHS = tuple(datetime(2031, month, 15, tzinfo=UTC) for month in (1, 2, 3, 4))


async def test_points_are_planned_in_the_partitions_of_their_stream(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        for stream_id in STREAMS:
            for moment in MONTHS:
                await connection.execute(
                    "select ensure_detection_partition($1, $2)", stream_id, moment
                )
        statement = load_statement("services.alert", "select_points").text
        plan = await connection.fetch(
            f"explain (analyze, costs off) {statement}",
            STREAMS[1], [7, 8], [MONTHS[3], MONTHS[3] - timedelta(days=1)],
            MONTHS[3] - timedelta(days=1), MONTHS[3],
            [1, 1], ["I", "I"], [MONTHS[3], MONTHS[3] - timedelta(days=1)],
            MONTHS[3] - timedelta(days=1),
        )  # fmt: skip
        await transaction.rollback()
    finally:
        await connection.close()
    text = "\n".join(row[0] for row in plan)
    read = {
        (stream_id, moment.month)
        for stream_id in STREAMS
        for moment in MONTHS
        if f"detection_s{stream_id}_{moment:%Y_%m}" in text
    }
    assert read == {(STREAMS[1], 3), (STREAMS[1], 4)}
