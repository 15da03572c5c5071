"""What a stream that runs for ever keeps of its images."""

from tests.support.association import associator
from tests.support.records import image

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
