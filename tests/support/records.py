"""Records of detections-v1 as the cases of the associator's tests want them."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from schemas.messages import (
    ImageDetections,
    ImageMetadata,
    RmsGrid,
    SourceColumns,
    SourceOffset,
    StageTimes,
)

START = datetime(2012, 1, 1, tzinfo=UTC)
BEAM_MAJOR_DEG = 2 * 0.029997
_N_PX = 1800


def wcs_header(ra: float, dec: float, width_px: int, cell_deg: float) -> str:
    cards = {
        "NAXIS1": width_px, "NAXIS2": width_px, "CTYPE1": "'RA---SIN'", "CTYPE2": "'DEC--SIN'",
        "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": (width_px + 1) / 2, "CRPIX2": (width_px + 1) / 2,
        "CDELT1": -cell_deg, "CDELT2": cell_deg, "CUNIT1": "'deg'", "CUNIT2": "'deg'",
    }  # fmt: skip
    return "\n".join(f"{name:<8}= {value:>20}" for name, value in cards.items())


def sources(
    positions: Sequence[tuple[float, float]],
    *,
    flux_jy: float | Sequence[float] = 0.015,
    flux_err_jy: float = 5e-4,
    pos_err_arcsec: float = 10.0,
    rms_jy_beam: float = 1e-3,
) -> SourceColumns:
    """Return measured point sources: peak and integrated flux are the same."""
    n = len(positions)
    flux = np.broadcast_to(np.asarray(flux_jy, float), n).copy()
    err = np.full(n, pos_err_arcsec / 3600)
    flux_err = np.full(n, flux_err_jy)
    return SourceColumns(
        ra=np.array([each[0] for each in positions], float),
        dec=np.array([each[1] for each in positions], float),
        ra_err_deg=err,
        dec_err_deg=err.copy(),
        flux_peak_jy_beam=flux,
        flux_peak_err_jy_beam=flux_err,
        flux_int_jy=flux.copy(),
        flux_int_err_jy=flux_err.copy(),
        snr=flux / rms_jy_beam,
        rms_local_jy_beam=np.full(n, rms_jy_beam),
        major_arcsec=np.full(n, 200.0),
        minor_arcsec=np.full(n, 180.0),
        pa_deg=np.zeros(n),
        quality_flags=np.zeros(n, np.int64),
        p_false=np.zeros(n),
    )


def image(
    step: float,
    measured: SourceColumns | Sequence[tuple[float, float]] = (),
    *,
    stream: str = "test",
    centre: tuple[float, float] = (123.0, 10.0),
    freq_eff_hz: float = 140e6,
    freq_bw_hz: float = 2e6,
    stokes: str = "I",
    rms_jy_beam: float | np.ndarray = 1e-3,
    detection_threshold_sigma: float = 10.0,
    margin_px: int = 10,
    beam_major_deg: float = BEAM_MAJOR_DEG,
    cell_deg: float = 0.01111,
    width_px: int = _N_PX,
    salt: str = "",
) -> ImageDetections:
    """Return the record of one accepted image, one day after the image of the step before."""
    columns = measured if isinstance(measured, SourceColumns) else sources(measured)
    grid = np.broadcast_to(np.asarray(rms_jy_beam, float), (4, 4)).copy()
    time_start = START + timedelta(days=step)
    text = f"{stream}|{step}|{freq_eff_hz}|{stokes}|{centre}|{salt}"
    return ImageDetections(
        image_id=hashlib.sha256(text.encode()).hexdigest(),
        stream=stream,
        source=SourceOffset("replaced", "images-v1", 0, 0),
        verdict="accepted",
        metadata=ImageMetadata(
            time_start=time_start,
            exposure_s=300.0,
            freq_eff_hz=freq_eff_hz,
            freq_bw_hz=freq_bw_hz,
            stokes=stokes,
            beam_major_deg=beam_major_deg,
            beam_minor_deg=0.85 * beam_major_deg,
            beam_pa_deg=0.0,
            field_ra=centre[0],
            field_dec=centre[1],
            field_radius_deg=width_px / 2 * cell_deg,
            width_px=width_px,
            height_px=width_px,
            wcs_header=wcs_header(*centre, width_px, cell_deg),
        ),
        rms_jy_beam=float(np.nanmedian(grid)),
        detection_threshold_sigma=detection_threshold_sigma,
        margin_px=margin_px,
        rms_grid=RmsGrid(450, grid),
        sources=columns,
        times=StageTimes(time_appended=time_start, time_extracted=time_start),
    )


def rejected(record: ImageDetections, reason: str = "no_beam") -> ImageDetections:
    """Return the record of an image that could not be read."""
    return replace(
        record,
        verdict="rejected",
        reasons=(reason,),
        reason_text="why",
        metadata=None,
        rms_grid=None,
        sources=SourceColumns(),
    )
