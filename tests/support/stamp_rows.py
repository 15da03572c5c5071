"""Stamps of alerts that tests have stored, as the associator leaves them; pictures read again."""

import uuid
import zlib

import asyncpg
import numpy as np
import numpy.typing as npt

from tests.support.fits_images import make

__all__ = ["SIDE_PX", "read_png", "stamp_file", "store_stamps", "trig_id_of_ivorn"]

SIDE_PX = 33


def trig_id_of_ivorn(ivorn: str) -> str:
    """Return what the alerts of a family share."""
    return ivorn.rsplit("#", 1)[1].rsplit(".", 1)[0]


def stamp_file(peak_jy: float) -> bytes:
    """Return a FITS file with one pixel that is not 0, in its middle, at 10, 20 degrees."""
    pixels = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    pixels[SIDE_PX // 2, SIDE_PX // 2] = peak_jy
    return make(pixels, CRPIX1=SIDE_PX // 2 + 1, CRPIX2=SIDE_PX // 2 + 1)


def read_png(data: bytes) -> npt.NDArray[np.uint8]:
    """Return the grey of a picture that LiveTrap wrote, (n, n), from the top."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    columns, rows = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    size = int.from_bytes(data[33:37], "big")
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8)
    return lines.reshape(rows, 1 + 2 * columns)[:, 1::2]


async def store_stamps(pool: asyncpg.Pool, trig_id: str, **files: bytes | str) -> None:
    """Store stamps by role: a file, or the reason why there is none; ``waiting`` is none yet."""
    stream_id = await pool.fetchval(
        "insert into stream (name) values ($1) returning id", uuid.uuid4().hex
    )
    for role, file in files.items():
        state = "stored" if isinstance(file, bytes) else "missing"
        await pool.execute(
            "insert into stamp (stamp_id, trig_id, role, transient_id, source_id, stream_id, "
            "ra, dec, state, reason, time_requested) "
            "values ($1, $2, $3, 0, 0, $4, 10, 20, $5, $6, now())",
            f"{trig_id}-{role}", trig_id, role, stream_id,
            "waiting" if file == "waiting" else state,
            file if state == "missing" and file != "waiting" else None,
        )  # fmt: skip
        if isinstance(file, bytes):
            await pool.execute("insert into stamp_file values ($1, $2)", f"{trig_id}-{role}", file)
