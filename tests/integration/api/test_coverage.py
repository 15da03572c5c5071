"""The map of what was observed, by stream, band and Stokes parameter."""

import io
from datetime import timedelta
from typing import Any

import httpx
from astropy.io import fits
from astropy_healpix import uniq_to_level_ipix

from sky.moc import parse_moc
from tests.support.api_rows import START, Rows, rows_of
from tests.support.api_service import client_of
from tests.support.fits_images import CARDS

_PATH = "/vo/coverage.moc"
_FIRST = 4 * 4**3


async def cover(rows: Rows, freq_eff_hz: float, stokes: str, *cells: int) -> int:
    """Cover cells of order 3; return the number of the band."""
    image = await rows.image(0, freq_eff_hz, stokes=stokes)
    band = await rows.band(freq_eff_hz)
    await rows.connection.executemany(
        "insert into sky_coverage values ($1, $2, $3, $4, 0.1)",
        [(band, stokes, _FIRST + cell, image) for cell in cells],
    )
    return band


async def read(client: httpx.AsyncClient, **asked: object) -> str:
    answer = await client.get(_PATH, params={"format": "ascii", **asked})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_coverage_is_of_what_was_asked(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        low = await cover(rows, 60e6, "I", 0, 1, 2, 3)
        high = await cover(rows, 150e6, "I", 2, 40)
        await cover(rows, 150e6, "V", 50)
        stream = {"stream": rows.stream}
        assert await read(client, **stream) == "2/0 3/40,50"
        assert await read(client, **stream, band=low) == "2/0"
        assert await read(client, band=high, stokes="I") == "3/2,40"
        assert await read(client, **stream, stokes="Q") == "0/"
        everything = parse_moc(await read(client))
        assert everything.starts
        found = await client.get(_PATH, params={**stream, "format": "json"})
        assert found.json() == {"2": [0], "3": [40, 50]}
        answer = await client.get(_PATH, params=stream)
        assert answer.headers["content-type"] == "application/fits"
        with fits.open(io.BytesIO(answer.content)) as hdus:
            order, cells = uniq_to_level_ipix(hdus[1].data["UNIQ"])
        assert (order.tolist(), cells.tolist()) == ([2, 3, 3], [0, 40, 50])
        unknown = await client.get(_PATH, params={"stream": "nothing"})
        assert (unknown.status_code, rows.stream in unknown.text) == (404, True)
        for wrong in ({"band": "0"}, {"band": "x"}, {"format": "png"}, {"stokes": "x" * 9}):
            assert (await client.get(_PATH, params=wrong)).status_code == 400


async def test_coverage_in_time_is_of_accepted_images(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        header = fits.Header(list(CARDS.items())).tostring(sep="\n")
        place = {
            "wcs_header": header, "width_px": 64, "height_px": 64, "field_radius_deg": 0.45,
            "field_ra": 10.0, "field_dec": 20.0, "margin_px": 0,
        }  # fmt: skip
        for step in (0, 1, 60):
            await rows.image(step, **place)
        await rows.image(30, **place, stokes="V")
        await rows.image(40, **place | {"verdict": "rejected"})
        await rows.image(50)  # nothing says where
        path, asked = "/vo/coverage.stmoc", {"stream": rows.stream, "format": "json"}
        (element,) = (await client.get(path, params=asked)).json()
        assert set(element) == {"t", "s"}
        whole = _length_s(element)
        assert 40 <= whole <= 40 + 6 * 0.066
        (element,) = (await client.get(path, params={**asked, "stokes": "I"})).json()
        assert 30 <= _length_s(element) <= 30 + 4 * 0.066
        since = (START + timedelta(minutes=5)).isoformat()
        (element,) = (await client.get(path, params={**asked, "since": since})).json()
        assert 20 <= _length_s(element) <= 20 + 4 * 0.066
        answer = await client.get(path, params={"stream": rows.stream})
        assert answer.headers["content-type"] == "application/fits"
        with fits.open(io.BytesIO(answer.content)) as hdus:
            assert hdus[1].header["MOCDIM"] == "TIME.SPACE"
        assert (await client.get(path, params={**asked, "stokes": "Q"})).json() == []
        for wrong in ({"band": "0"}, {"since": "61000"}, {"stream": "nothing"}):
            assert (await client.get(path, params=wrong)).status_code in (400, 404)


def _length_s(element: dict[str, Any]) -> float:
    """Return the length of all times of an element [s]."""
    return float(
        sum(len(cells) * 2.0 ** (61 - int(order)) for order, cells in element["t"].items()) / 1e6
    )
