"""Fluxes from before a first detection, in the light curves of their sources."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, ForcedMeasurements
from services.associate.models.catalogue import ChannelKey, MeasuredImage, RowArray
from services.associate.models.decisions import Columns, ForcedOutcome, StatisticsRows
from services.associate.models.look_back import PendingLookBack
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.change_tests import to_limits
from services.associate.steps.coverage import metadata_of
from services.associate.steps.look_back import WAITS
from services.associate.steps.rows import FLAG_COLUMNS

__all__ = ["begin_episode", "count_history", "count_points", "end_wait", "join_history"]


def count_points(
    image: MeasuredImage,
    result: ForcedMeasurements,
    is_stored: BoolArray,
    sources: RowArray,
    statistics: Mapping[ChannelKey, RowArray],
    settings: AssociateSettings,
) -> ForcedOutcome:
    """Count forced fluxes in eta and V; they raise no event by themselves.

    Parameters
    ----------
    image : MeasuredImage
        Where they were measured.
    result : ForcedMeasurements
        The result of a request.
    is_stored : (n,) bool
        Which of its points are counted.
    sources : (k,) structured, `SOURCE_DTYPE`
        The sources of these points in ascending order of id.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Of those sources, by band and Stokes parameter.
    settings : AssociateSettings
        Floor of the errors of positions.
    """
    candidates = _load(sources, statistics, settings)
    columns = result.measurements
    rest = np.flatnonzero(is_stored)
    while rest.size:
        first = rest[np.unique(columns.position_id[rest], return_index=True)[1]]
        candidates.add_forced(
            image.key,
            np.searchsorted(sources["id"], columns.position_id[first]),
            columns.flux_peak_jy_beam[first],
            columns.flux_peak_err_jy_beam[first],
        )
        rest = np.setdiff1d(rest, first)
    return _to_outcome(candidates, metadata_of(image.record).time_start)


def count_history(
    pending: Sequence[PendingLookBack],
    sources: RowArray,
    statistics: Mapping[ChannelKey, RowArray],
    settings: AssociateSettings,
) -> ForcedOutcome:
    """Count the fluxes of looks back that have all their answers in eta and V.

    In the order of the exposures, so that the sums have the same bits however the answers came.

    Parameters
    ----------
    pending : sequence of PendingLookBack
        Looks back with at least one flux; one a source.
    sources : (k,) structured, `SOURCE_DTYPE`
        Their sources in ascending order of id.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Of those sources, by band and Stokes parameter.
    settings : AssociateSettings
        Floor of the errors of positions.
    """
    candidates = _load(sources, statistics, settings)
    for each in pending:
        row = np.searchsorted(sources["id"], [each.source_id])
        key, previous = (each.band_id, each.event.stokes), each.previous
        for number in range(previous.flux_jy_beam.size):
            one = slice(number, number + 1)
            candidates.add_forced(key, row, previous.flux_jy_beam[one], previous.err_jy_beam[one])
    return _to_outcome(candidates, max(each.previous.times[-1] for each in pending))


def _to_outcome(candidates: CandidateSources, time_start: datetime) -> ForcedOutcome:
    """Return the statistics of sources with new forced points."""
    rows = candidates.sources
    eta, v, _ = candidates.variability()
    return ForcedOutcome(
        statistics=candidates.changed_statistics(rows["id"]),
        sources={
            **{name: rows[name] for name in ("id", "n_datapoints", "n_forced")},
            "eta": eta,
            "v": v,
        },
        flagged=None,
        ended_ids=(),
        time_start=time_start,
        notifications=(),
    )


def _load(
    sources: RowArray, statistics: Mapping[ChannelKey, RowArray], settings: AssociateSettings
) -> CandidateSources:
    candidates = CandidateSources(settings.systematic_position_error_arcsec / 3600)
    candidates.load(sources, statistics)
    return candidates


def join_history(
    pending: Sequence[PendingLookBack],
    sources: RowArray,
    statistics: Mapping[ChannelKey, RowArray],
    settings: AssociateSettings,
) -> list[StatisticsRows]:
    """Return statistics of sources whose tests for changes have seen the earlier fluxes.

    Parameters
    ----------
    pending : sequence of PendingLookBack
        Sources that were there before, too faint to be detected; one a source.
    sources : (k,) structured, `SOURCE_DTYPE`
        The sources in ascending order of id.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Of them, by band and Stokes parameter; the fluxes are counted.
    settings : AssociateSettings
        Limits of the tests.
    """
    candidates = _load(sources, statistics, settings)
    limits = to_limits(settings)  # one band looks
    joined: dict[ChannelKey, list[int]] = {}
    for each in pending:
        key = each.band_id, each.event.stokes
        row = np.searchsorted(sources["id"], [each.source_id])
        flux, err = each.previous.flux_jy_beam, each.previous.err_jy_beam
        for number in range(flux.size):
            candidates.look(key, row, np.array([number]), flux=flux, error=err, limits=limits)
        joined.setdefault(key, []).append(int(row[0]))
    ids = candidates.sources["id"]
    return [candidates.statistics_of(key, ids, np.array(rows)) for key, rows in joined.items()]


def end_wait(rows: RowArray) -> Columns:
    """Return the flags of sources (n,) that raise nothing: other tests may tell them now."""
    rows = rows.copy()
    rows["activity"][rows["activity"] == WAITS] = 0
    return {name: rows[name] for name in FLAG_COLUMNS}


def begin_episode(rows: RowArray, settings: AssociateSettings) -> Columns:
    """Return the flags of new sources (n,) that are announced now."""
    rows = rows.copy()
    rows["is_new"] = True
    rows["activity"] = 1
    rows["n_quiet"] = 0
    rows["n_quiet_needed"] = settings.episode_quiet_looks
    rows["n_episodes"] += 1
    return {name: rows[name] for name in FLAG_COLUMNS}
