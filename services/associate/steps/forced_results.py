"""Validate forced measurements."""

import math

from runtime.errors import RejectedMessageError
from schemas.messages import ForcedMeasurements

__all__ = ["check_result"]


def check_result(result: ForcedMeasurements) -> None:
    """Refuse a result that would corrupt light curves.

    Raises
    ------
    RejectedMessageError
        Code ``bad_flux``.
    """
    columns = result.measurements
    for flux, error, rms, reason, kind in zip(
        columns.flux_peak_jy_beam, columns.flux_peak_err_jy_beam, columns.rms_local_jy_beam,
        columns.reason, columns.extraction_type, strict=True,
    ):  # fmt: skip
        usable = math.isfinite(flux) and math.isfinite(error) and error > 0 and rms > 0
        if not reason and not usable:
            raise RejectedMessageError(
                "bad_flux", f"image {result.image_id}: flux {flux} +- {error}, rms {rms}"
            )
        if kind not in ("forced", "monitor", "lookback"):
            raise RejectedMessageError("bad_flux", f"extraction type {kind!r} is unknown")
