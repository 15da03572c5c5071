"""The beam that CASA keeps in a table BEAMS, one row a channel and polarisation."""

import io

from astropy import units
from astropy.io import fits
from astropy.io.fits import Header
from astropy.io.fits.verify import VerifyError

from sky.header.cards import Cards, quiet_astropy
from sky.header.errors import HeaderError

__all__ = ["set_casa_beam"]

_COLUMNS = (("BMAJ", "arcsec"), ("BMIN", "arcsec"), ("BPA", "deg"))


def set_casa_beam(header: Header, data: bytes, *, channel: int = 0, polarisation: int = 0) -> None:
    """Set BMAJ, BMIN and BPA [deg] of one plane where CASAMBM says that a table has them.

    Raises
    ------
    HeaderError
        Code ``bad_beam`` if the table is there and cannot be read. Where it is missing, as when
        only the header was read, `read_beam` will miss the beam.
    """
    if "CASAMBM" not in header:
        return
    cards = Cards(header)
    if "BMAJ" in cards or not cards.flag("CASAMBM"):
        return
    try:
        with quiet_astropy(), fits.open(io.BytesIO(data)) as file:
            if "BEAMS" not in file:
                return
            table = file["BEAMS"]
            row = _row(table, channel, polarisation)
            for name, usual in _COLUMNS:
                unit = units.Unit(table.columns[name].unit or usual)
                header[name] = float(table.data[name][row]) * unit.to(units.deg)
    except (KeyError, OSError, TypeError, ValueError, IndexError, VerifyError) as error:
        raise HeaderError(
            "bad_beam", f"the table BEAMS that CASAMBM announces cannot be read: {error}"
        ) from None


def _row(table: fits.BinTableHDU, channel: int, polarisation: int) -> int:
    """Return the row of a plane; CASA writes one for each, in any order."""
    names = {name.upper() for name in table.columns.names}
    if not {"CHAN", "POL"} <= names:
        return 0
    is_plane = (table.data["CHAN"] == channel) & (table.data["POL"] == polarisation)
    return int(is_plane.nonzero()[0][0])
