"""A light curve as CSV or VOTable."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from astropy.io.votable.tree import Field as VOField
from astropy.io.votable.tree import Resource, TableElement, VOTableFile

from api.models.lightcurves import LightCurvePoint

__all__ = ["to_csv", "to_votable"]

# Column, VOTable datatype, unit, UCD.
_COLUMNS = (
    ("time_start", "char", "", "time.start;obs.exposure"),
    ("exposure_s", "double", "s", "time.duration;obs.exposure"),
    ("freq_eff_hz", "double", "Hz", "em.freq;instr"),
    ("freq_bw_hz", "double", "Hz", "instr.bandwidth"),
    ("stokes", "char", "", "phys.polarization.stokes"),
    ("flux_int_jy", "double", "Jy", "phot.flux.density;em.radio"),
    ("flux_int_err_jy", "double", "Jy", "stat.error;phot.flux.density;em.radio"),
    ("flux_peak_jy_beam", "double", "Jy/beam", "phot.flux.density;em.radio;stat.max"),
    ("flux_peak_err_jy_beam", "double", "Jy/beam", "stat.error;phot.flux.density;em.radio"),
    ("snr", "double", "", "stat.snr"),
    ("ra", "double", "deg", "pos.eq.ra"),
    ("dec", "double", "deg", "pos.eq.dec"),
    ("extraction_type", "char", "", "meta.code"),
    ("quality_flags", "long", "", "meta.code.qual"),
    ("image_id", "char", "", "meta.id;obs.image"),
)


def _to_text(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


def to_csv(points: Sequence[LightCurvePoint]) -> str:
    """Return the points as CSV with a header; the units are in the names."""
    names = [column[0] for column in _COLUMNS]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for point in points:
        writer.writerow([_to_text(getattr(point, name)) for name in names])
    return out.getvalue()


def to_votable(points: Sequence[LightCurvePoint], source_id: int) -> str:
    """Return the points as a VOTable with units and UCDs.

    References
    ----------
    Ochsenbein et al. (2019), VOTable 1.4, IVOA Recommendation.
    """
    document = VOTableFile(version="1.4")
    resource = Resource()
    resource.description = f"Light curve of source {source_id}"
    document.resources.append(resource)
    table = TableElement(document)
    resource.tables.append(table)
    for name, datatype, unit, ucd in _COLUMNS:
        size = {"arraysize": "*"} if datatype == "char" else {}
        field = VOField(
            document, name=name, ID=name, datatype=datatype, unit=unit or None, ucd=ucd, **size
        )
        table.fields.append(field)
    table.create_arrays(len(points))
    for row, point in enumerate(points):
        values = [_to_text(getattr(point, column[0])) for column in _COLUMNS]
        table.array[row] = tuple(np.nan if value is None else value for value in values)
    out = io.BytesIO()
    document.to_xml(out)
    return out.getvalue().decode()
