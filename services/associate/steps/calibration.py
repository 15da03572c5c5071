"""Correct the images of a timestep by their solutions, or refuse those that are too far off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import (
    FloatArray,
    ForcedMeasurements,
    ImageDetections,
    IntArray,
    RmsGrid,
    SourceColumns,
)
from schemas.reasons import ImageReason
from services.associate.models.catalogue import CatalogueState, ChannelKey, RowArray
from services.associate.models.solutions import NO_SOLUTION, ImageSolution
from services.associate.models.timesteps import Timestep
from services.associate.steps.coverage import metadata_of
from services.associate.steps.image_solution import (
    APPLY_SIGMA,
    MOST_DETECTIONS,
    Fit,
    FluxPairs,
    find_flux_factor,
    find_shift,
)
from sky.geometry import move_in_plane, tangent_offsets
from sky.neighbours import pairs_within

__all__ = [
    "calibrate_forced",
    "calibrate_image",
    "find_refusals",
    "needs_wider_search",
    "solve_timestep",
    "to_image_frame",
]


@dataclass(frozen=True, slots=True)
class _Field:
    """The bright detections and the catalogue of an image, in the plane of its field."""

    order: IntArray
    detections: FloatArray
    sources: FloatArray
    tolerance_deg: float
    err_deg: float
    beam_deg: float


def solve_timestep(
    timestep: Timestep, state: CatalogueState, settings: AssociateSettings, *, radius_deg: float
) -> list[ImageSolution]:
    """Return the solution of each image of a timestep, in its order.

    Parameters
    ----------
    timestep : Timestep
        Its images as they came.
    state : CatalogueState
        What the catalogue has around the detections.
    settings : AssociateSettings
        Limits of the solution.
    radius_deg : float
        How far around the detections the catalogue was searched [deg].
    """
    return [
        _solve_image(
            record, None if band_id is None else _channel(record, band_id), state, settings,
            radius_deg,
        )
        if settings.image_solution and record.verdict == "accepted" and len(record.sources)
        else NO_SOLUTION
        for record, band_id in zip(timestep.records, state.band_ids, strict=True)
    ]  # fmt: skip


def _channel(record: ImageDetections, band_id: int) -> ChannelKey:
    return band_id, metadata_of(record).stokes


def _solve_image(
    record: ImageDetections,
    channel: ChannelKey | None,
    state: CatalogueState,
    settings: AssociateSettings,
    radius_deg: float,
) -> ImageSolution:
    field = _to_field(record, state.sources, settings)
    fit = find_shift(
        field.detections,
        field.sources,
        radius_deg=radius_deg,
        tolerance_deg=field.tolerance_deg,
        err_deg=field.err_deg,
        min_sources=settings.solution_min_sources,
    )
    if fit.detection is None or fit.source is None:
        too_few = fit.n_near < settings.solution_min_sources
        return ImageSolution(shift_status="too_few_sources" if too_few else "no_match")
    solved = _to_shift(fit, field.beam_deg, settings)
    table = None if channel is None else state.statistics.get(channel)
    if table is None:
        return replace(solved, flux_status="too_few_sources")
    detection, source = field.order[fit.detection], fit.source
    if field.order.size < len(record.sources):
        detection, source = _pair_all(record, field, fit)
    pairs = _to_flux_pairs(record.sources, detection, state.sources["id"][source], table)
    return _with_factor(solved, _take_brightest(pairs), settings)


def _pair_all(record: ImageDetections, field: _Field, fit: Fit) -> tuple[IntArray, IntArray]:
    """Return each detection with its nearest source after the shift, where one is near."""
    metadata, measured = metadata_of(record), record.sources
    centre = np.array([metadata.field_ra]), np.array([metadata.field_dec])
    shift_deg = np.array([fit.east_deg, fit.north_deg])
    detections = np.stack(tangent_offsets(*centre, measured.ra, measured.dec), axis=1) - shift_deg
    detection, source = pairs_within(detections, field.sources, field.tolerance_deg)
    distance_deg = np.hypot(*(detections[detection] - field.sources[source]).T)
    order = np.lexsort((distance_deg, detection))
    nearest = order[np.unique(detection[order], return_index=True)[1]]
    return detection[nearest], source[nearest]


def _take_brightest(pairs: FluxPairs) -> FluxPairs:
    """Return the pairs of the highest S/N of their weighted mean.

    The mean says nothing about the difference of its two fluxes. Those of the highest S/N in the
    image are brighter there than in the catalogue, all by their noise.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        weight, catalogue_weight = pairs.flux_err**-2.0, pairs.catalogue_err**-2.0
        total = pairs.flux * weight + pairs.catalogue * catalogue_weight
        snr = total / np.sqrt(weight + catalogue_weight)
    chosen = np.sort(np.argsort(-snr, kind="stable")[:MOST_DETECTIONS])
    return FluxPairs(
        pairs.flux[chosen],
        pairs.flux_err[chosen],
        pairs.catalogue[chosen],
        pairs.catalogue_err[chosen],
    )


def _to_field(record: ImageDetections, sources: RowArray, settings: AssociateSettings) -> _Field:
    metadata, measured = metadata_of(record), record.sources
    order = np.argsort(-measured.snr, kind="stable")[:MOST_DETECTIONS]
    centre = np.array([metadata.field_ra]), np.array([metadata.field_dec])
    errors_deg = np.concatenate([measured.ra_err_deg[order], measured.dec_err_deg[order]])
    usable = errors_deg[np.isfinite(errors_deg)]
    err_deg = float(np.median(usable)) if usable.size else 0.0
    beam_deg = metadata.beam_major_deg
    floor_deg = settings.systematic_position_error_arcsec / 3600
    typical_deg = 3 * float(np.hypot(err_deg, floor_deg))
    return _Field(
        order,
        np.stack(tangent_offsets(*centre, measured.ra[order], measured.dec[order]), axis=1),
        np.stack(tangent_offsets(*centre, sources["ra"], sources["dec"]), axis=1),
        float(np.clip(typical_deg, 0.1 * beam_deg, 0.5 * beam_deg)),
        err_deg,
        beam_deg,
    )


def _to_shift(fit: Fit, beam_deg: float, settings: AssociateSettings) -> ImageSolution:
    size_deg = float(np.hypot(fit.east_deg, fit.north_deg))
    return ImageSolution(
        shift_status="solved",
        n_shift_sources=0 if fit.detection is None else int(fit.detection.size),
        shift_east_arcsec=3600 * fit.east_deg,
        shift_north_arcsec=3600 * fit.north_deg,
        shift_err_arcsec=3600 * fit.err_deg,
        is_shift_applied=APPLY_SIGMA * fit.err_deg
        < size_deg
        <= settings.shift_limit_beams * beam_deg,
    )


def _to_flux_pairs(
    measured: SourceColumns, detection: IntArray, source_id: IntArray, table: RowArray
) -> FluxPairs:
    """Return the peak fluxes of the pairs whose source has a flux in the channel."""
    order = np.argsort(table["source_id"])
    place = np.searchsorted(table["source_id"], source_id, sorter=order)
    row = order[np.minimum(place, order.size - 1)]
    known = table["source_id"][row] == source_id
    detection, row = detection[known], row[known]
    with np.errstate(divide="ignore"):
        catalogue_err = 1 / np.sqrt(table["flux_peak_weight"][row])
    return FluxPairs(
        measured.flux_peak_jy_beam[detection],
        measured.flux_peak_err_jy_beam[detection],
        table["flux_peak_wmean_jy_beam"][row],
        catalogue_err,
    )


def _with_factor(
    solution: ImageSolution, pairs: FluxPairs, settings: AssociateSettings
) -> ImageSolution:
    found = find_flux_factor(pairs, min_sources=settings.solution_min_sources)
    if found is None:
        return replace(solution, flux_status="too_few_sources")
    factor, err, n = found
    if factor <= 0:
        return replace(solution, flux_status="scattered", n_flux_sources=n)
    limit = settings.flux_factor_limit
    return replace(
        solution,
        flux_status="solved",
        n_flux_sources=n,
        flux_factor=factor,
        flux_factor_err=err,
        is_flux_factor_applied=abs(factor - 1) > APPLY_SIGMA * err
        and 1 / limit <= factor <= limit,
    )


def needs_wider_search(
    timestep: Timestep, solutions: Sequence[ImageSolution], settings: AssociateSettings
) -> bool:
    """Return whether an image with enough detections has no solution near its positions."""
    return any(
        solution.shift_status in ("too_few_sources", "no_match")
        and len(record.sources) >= settings.solution_min_sources
        for record, solution in zip(timestep.records, solutions, strict=True)
    )


def find_refusals(
    record: ImageDetections, solution: ImageSolution, settings: AssociateSettings
) -> Mapping[ImageReason, str]:
    """Return why an image is too far off to be used, in words by code; mostly nothing."""
    refusals = {}
    if solution.shift_east_arcsec is not None and solution.shift_north_arcsec is not None:
        size_arcsec = float(np.hypot(solution.shift_east_arcsec, solution.shift_north_arcsec))
        limit_arcsec = settings.shift_limit_beams * metadata_of(record).beam_major_deg * 3600
        if size_arcsec > limit_arcsec:
            refusals[ImageReason.ASTROMETRY_OFF] = (
                f"positions are {size_arcsec:.1f} arcsec from the catalogue's, "
                f"more than {limit_arcsec:.1f}"
            )
    factor, limit = solution.flux_factor, settings.flux_factor_limit
    if factor is not None and not 1 / limit <= factor <= limit:
        refusals[ImageReason.FLUX_SCALE_OFF] = (
            f"fluxes are {factor:.2f} times the catalogue's, not within a factor of {limit:g}"
        )
    return refusals


def calibrate_image(
    record: ImageDetections, solution: ImageSolution, settings: AssociateSettings
) -> ImageDetections:
    """Return an image with its solution applied; rejected where that is beyond the limits."""
    refusals = find_refusals(record, solution, settings)
    if refusals:
        return replace(
            record,
            verdict="rejected",
            reasons=tuple(refusals),
            reason_text="; ".join(refusals.values()),
            rms_grid=None,
            sources=SourceColumns(),
        )
    if not solution.is_shift_applied and not solution.is_flux_factor_applied:
        return record
    return _apply(record, solution)


def _apply(record: ImageDetections, solution: ImageSolution) -> ImageDetections:
    metadata, measured, factor = metadata_of(record), record.sources, solution.applied_factor
    east_deg, north_deg = solution.applied_shift_deg
    ra, dec = move_in_plane(
        measured.ra,
        measured.dec,
        centre=(metadata.field_ra, metadata.field_dec),
        offset_deg=(-east_deg, -north_deg),
    )
    grid = record.rms_grid
    return replace(
        record,
        rms_jy_beam=None if record.rms_jy_beam is None else record.rms_jy_beam / factor,
        rms_grid=None if grid is None else RmsGrid(grid.cell_px, grid.rms_jy_beam / factor),
        sources=replace(
            measured,
            ra=ra,
            dec=dec,
            flux_peak_jy_beam=measured.flux_peak_jy_beam / factor,
            flux_peak_err_jy_beam=measured.flux_peak_err_jy_beam / factor,
            flux_int_jy=measured.flux_int_jy / factor,
            flux_int_err_jy=measured.flux_int_err_jy / factor,
            rms_local_jy_beam=measured.rms_local_jy_beam / factor,
        ),
    )


def to_image_frame(
    record: ImageDetections, solution: ImageSolution, ra: FloatArray, dec: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return where positions of the catalogue are in an image [deg]."""
    if not solution.is_shift_applied:
        return ra, dec
    metadata = metadata_of(record)
    return move_in_plane(
        ra,
        dec,
        centre=(metadata.field_ra, metadata.field_dec),
        offset_deg=solution.applied_shift_deg,
    )


def calibrate_forced(
    result: ForcedMeasurements, solution: ImageSolution, centre: tuple[float, float]
) -> ForcedMeasurements:
    """Return a result in the positions and fluxes of the catalogue.

    Parameters
    ----------
    result : ForcedMeasurements
        As measured in the image.
    solution : ImageSolution
        Of the image.
    centre : (float, float)
        Right ascension and declination of the centre of its field [deg].
    """
    if not solution.is_shift_applied and not solution.is_flux_factor_applied:
        return result
    columns, factor = result.measurements, solution.applied_factor
    east_deg, north_deg = solution.applied_shift_deg
    ra, dec = move_in_plane(
        columns.ra, columns.dec, centre=centre, offset_deg=(-east_deg, -north_deg)
    )
    return replace(
        result,
        measurements=replace(
            columns,
            ra=ra,
            dec=dec,
            flux_peak_jy_beam=columns.flux_peak_jy_beam / factor,
            flux_peak_err_jy_beam=columns.flux_peak_err_jy_beam / factor,
            rms_local_jy_beam=columns.rms_local_jy_beam / factor,
        ),
    )
