"""A small sky for the services of the Virtual Observatory."""

from tests.support.api_rows import Rows

__all__ = ["observe"]


async def observe(rows: Rows) -> list[int]:
    """Insert an image and three sources, 0.1 deg apart, on both sides of RA 0h."""
    image = await rows.image(
        0, width_px=100, height_px=100, field_ra=0.0, field_dec=10.0, field_radius_deg=1.0,
        beam_major_deg=0.1,
    )  # fmt: skip
    sources = []
    for number in range(3):
        ra = (359.9 + 0.1 * number) % 360
        source = await rows.source(ra, 10.0, image=image)
        await rows.point(source, image, ra=ra, flux_jy=0.01 * (number + 1))
        sources.append(source)
    await rows.transient(sources[0], image=image, ra=359.9)
    await rows.copy_statistics()
    return sources
