"""Sky coverage of the new-source test: exact at a position, with a bounded number of rows."""

import numpy as np
import pytest

from tests.support.association import Associator, associator
from tests.support.records import image, sources

FLUX_JY = 0.02


async def n_rows(case: Associator) -> int:
    (row,) = await case.rows(
        "select count(*) as n from sky_coverage join band on band.id = band_id "
        "join stream on stream.id = stream_id where name = $1",
        case.stream,
    )
    return int(row["n"])


async def test_a_drift_scan_keeps_no_more_rows_than_the_sky_has_cells(postgres_url: str) -> None:
    """Fields of 60 degrees whose centre turns with the sky, two times round."""
    counts = []
    async with associator(postgres_url) as case:
        for step in range(240):
            centre = ((3.0 * step + 0.37 * (step // 120)) % 360, 52.9)
            rms = 1e-3 * (1 + 0.1 * np.sin(step))
            await case.feed(
                image(step, centre=centre, cell_deg=0.04, width_px=1500, rms_jy_beam=rms)
            )
            counts.append(await n_rows(case))
    # Order 4 has cells of 3.7 degrees, 3072 of them; this zone of the sky has about half.
    assert counts[-1] < 1600
    assert counts[-1] <= counts[119] + 20


async def test_a_new_source_reads_few_earlier_images(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many fields were observed, a new source reads the images around it alone."""
    from services.associate.storage import Catalogue

    n_images = []
    original = Catalogue.load_prior_coverage

    async def counted(self: Catalogue, *args: object) -> object:
        prior_coverage = await original(self, *args)  # type: ignore[arg-type]
        n_images.append(len(prior_coverage))
        return prior_coverage

    monkeypatch.setattr(Catalogue, "load_prior_coverage", counted)
    async with associator(postgres_url) as case:
        for step in range(60):
            await case.feed(image(step, centre=(120.0 + 0.05 * step, 10.0)))
        await case.feed(image(60, sources([(123.0, 10.0)], flux_jy=FLUX_JY), centre=(123.0, 10.0)))
        assert [event.kind for event in case.events] == ["new_source"]
    assert len(n_images) == 1
    assert 1 <= n_images[0] <= 9


async def test_the_margin_of_an_earlier_image_is_not_covered(postgres_url: str) -> None:
    """A source just inside the margin of an earlier image is new, just outside it is not."""
    # 1800 px of 0.01111 deg: the border of what is searched lies 890 px from the centre.
    async with associator(postgres_url) as case:
        await case.feed(image(0, centre=(123.0, 0.0)))
        inside, outside = 888.0, 893.0
        positions = [
            (123.0, float(np.degrees(np.arcsin(np.radians(px * 0.01111)))))
            for px in (inside, -outside)
        ]
        await case.feed(image(1, sources(positions, flux_jy=FLUX_JY), centre=(123.0, 0.0)))
        assert [round(event.dec, 1) for event in case.events] == [round(positions[0][1], 1)]


async def test_fields_of_different_sizes_share_their_coverage(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, centre=(123.0, 10.0), width_px=200))
        await case.feed(image(1, sources([(123.0, 10.0)], flux_jy=FLUX_JY)))
        assert [event.kind for event in case.events] == ["new_source"]


async def test_a_deeper_image_takes_over_and_a_shallower_one_does_not(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for step, rms in enumerate((2e-3, 1e-3, 4e-3)):
            await case.feed(image(step, rms_jy_beam=rms))
        await case.feed(image(3, sources([(123.0, 10.0)], flux_jy=FLUX_JY)))
        (event,) = case.events
        assert event.limit_previous_jy_beam == pytest.approx(13 * 1e-3)


async def test_a_blank_part_of_an_image_is_not_covered(postgres_url: str) -> None:
    half = np.full((4, 4), 1e-3)
    half[:, :2] = np.nan
    async with associator(postgres_url) as case:
        await case.feed(image(0, rms_jy_beam=half))
        # Right ascension grows to the left: the first columns.
        await case.feed(image(1, sources([(131.0, 10.0), (115.0, 10.0)], flux_jy=FLUX_JY)))
        assert [round(event.ra) for event in case.events] == [115]
