"""What a stream that runs for ever keeps of its images."""

from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

N_STEPS, KEPT_DAYS = 10, 3


async def test_images_beyond_the_retention_go_unless_something_refers_to_them(
    postgres_url: str,
) -> None:
    async with associator(postgres_url) as case:
        # The first image is the deepest, and the fifth one has a source.
        for step in range(N_STEPS):
            seen = [(123.0, 10.0)] if step == 4 else []
            await case.feed(image(step, seen, rms_jy_beam=1e-3 if step == 0 else 2e-3))
    async with associator(postgres_url, name=case.stream, image_retention_days=KEPT_DAYS) as again:
        await again.handler.expiry.drop_expired()
        kept = await again.rows(
            "select extract(day from time_start)::int - 1 as step from image join stream "
            "on stream.id = stream_id where name = $1 order by time_start",
            case.stream,
        )
        assert [row["step"] for row in kept] == [0, 4, 6, 7, 8, 9]
        timesteps = await again.rows(
            "select count(*) as n from timestep join stream on stream.id = stream_id "
            "where name = $1",
            case.stream,
        )
        assert timesteps == [{"n": KEPT_DAYS + 1}]
        # What was recorded just now stays in the ledger, and the sums stay for ever.
        assert await again.outcomes() == {"processed": N_STEPS}
        await again.feed(image(N_STEPS, [(123.0, 10.0)]))
        assert [row["n_datapoints"] for row in await again.sources()] == [2]


# Two sources within the match radius of the detection between them: it belongs to both.
PAIR, BETWEEN = [(123.0, 10.0), (123.0, 10.012)], (123.0, 10.006)
RETENTION = {"image_retention_days": 5, "detection_retention_days": 5, "expiration_timesteps": 4}
_TABLES = (
    "select table_name as name from information_schema.columns natural join "
    "information_schema.tables where column_name = 'stream_id' and table_type = 'BASE TABLE' and "
    "table_schema = current_schema() and table_name !~ '^detection_s[0-9]'"
)


async def count_rows(case: Associator) -> dict[str, int]:
    """Return the number of rows of a stream in each table that has any."""
    [stream] = await case.rows("select id from stream where name = $1", case.stream)
    queries = {
        row["name"]: f"select count(*) as n from {row['name']} where stream_id = $1"  # noqa: S608
        for row in await case.rows(_TABLES)
    }
    for name in ("shared_detection", "source_band"):
        queries[name] = (
            f"select count(*) as n from {name} inner join source on source.id = source_id "  # noqa: S608
            "where stream_id = $1"
        )
    counts = {
        name: (await case.rows(query, stream["id"]))[0]["n"] for name, query in queries.items()
    }
    return {name: n for name, n in counts.items() if n}


async def observe_days(case: Associator, days: range) -> None:
    """Send an image every third day, each with a peak of the noise, and answer its requests."""
    for day in days[::3]:
        peak = (124.0 + 0.02 * (day % 90), 11.0 + 0.02 * (day // 90))
        seen = PAIR if day == 0 else [BETWEEN]
        await case.feed(image(day, sources([*seen, peak], flux_jy=0.011, flux_err_jy=1e-3)))
        for request in case.requests:
            await store(case, measure(request, 0.0))
        case.requests.clear()


async def test_no_table_grows_for_ever(postgres_url: str) -> None:
    name, counts = None, []
    for days in (range(60), range(60, 120)):
        async with associator(postgres_url, name=name, **RETENTION) as case:
            name = case.stream
            await observe_days(case, days)
            await case.handler.expiry.drop_expired()
            counts.append(await count_rows(case))
    after_two_months, after_four = counts
    assert {"archived_source", "detection", "image", "shared_detection"} <= after_two_months.keys()
    for table, n in after_four.items():
        assert n <= after_two_months.get(table, 0) + 3, (table, after_two_months, after_four)
