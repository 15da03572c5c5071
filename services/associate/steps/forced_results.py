"""Validate forced measurements, and find those that may contradict a transient."""

import math

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, ForcedMeasurements

__all__ = ["check_result", "may_contradict"]


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


def may_contradict(
    result: ForcedMeasurements, is_stored: BoolArray, settings: AssociateSettings
) -> BoolArray:
    """Return which fluxes (n,) of a result may contradict a transient.

    Parameters
    ----------
    result : ForcedMeasurements
        The result of a request.
    is_stored : (n,) bool
        Fluxes that were not in the database before: each counts once.
    settings : AssociateSettings
        Whether there is a spectral test.
    """
    if settings.spectral_conflict_sigma is None:
        return np.zeros_like(is_stored)
    types = np.array(result.measurements.extraction_type, object)
    return np.asarray(is_stored & (types == "forced"), np.bool_)
