"""A sky of point sources in images of any place, cadence and depth, and what is measured there."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from schemas.messages import (
    FloatArray,
    ForcedMeasurements,
    ForcedRequest,
    ImageDetections,
    SourceEvent,
)
from services.extract.steps.forced_requests import without_fluxes
from sky.geometry import move, move_in_plane, to_unit_vectors
from tests.support.forced_results import measure
from tests.support.records import START, image, sources

__all__ = ["RMS_JY", "WatchedSky", "add_noise", "begun", "offset"]

RMS_JY = 1e-3
# What lies farther from every source is noise [deg].
_NEAR_DEG = 0.02


def offset(place: tuple[float, float], east_deg: float, north_deg: float) -> tuple[float, float]:
    """Return a position beside another one; over the pole, too."""
    ra, dec = move(*(np.array([each]) for each in (*place, east_deg, north_deg)))
    return float(ra[0]), float(dec[0])


def add_noise(flux_sigma: FloatArray, seed: int) -> FloatArray:
    """Return fluxes as they are measured: with normal noise, which is at most 3 sigma here."""
    return flux_sigma + np.clip(np.random.default_rng(seed).normal(size=flux_sigma.shape), -3, 3)


@dataclass
class WatchedSky:
    """What the images of one stream show.

    Parameters
    ----------
    stream : str
        Its name.
    places : sequence of (float, float)
        RA and Dec of the sources [deg].
    flux_sigma : (steps, bands, n) float64
        What each image measures of each source [noise of an image]; NaN: it does not see it, as a
        neighbour does.
    bands_hz : sequence of float
        Frequencies [Hz].
    centre : (float, float)
        Of the images [deg].
    cadence_s : float
        From image to image [s].
    threshold_sigma : float or sequence of float
        Of extraction, of all timesteps or of each.
    pos_err_arcsec : float
        Error of positions, which are scattered by it [arcsec].
    shifts_deg, factors : mapping
        What is wrong with the images of some timesteps: east and north [deg], and the flux scale.
    p_false : mapping
        How likely some sources are artefacts, by number.
    keeps_pixels : bool
        Whether a look back finds any.
    """

    stream: str
    places: Sequence[tuple[float, float]]
    flux_sigma: FloatArray
    bands_hz: Sequence[float] = (147e6,)
    centre: tuple[float, float] = (123.0, 10.0)
    cadence_s: float = 8.0
    threshold_sigma: float | Sequence[float] = 8.0
    pos_err_arcsec: float = 3.0
    shifts_deg: dict[int, tuple[float, float]] = field(default_factory=dict)
    factors: dict[int, float] = field(default_factory=dict)
    p_false: dict[int, float] = field(default_factory=dict)
    keeps_pixels: bool = True
    _images: dict[str, tuple[int, int]] = field(default_factory=dict)

    def records(self) -> Iterator[list[ImageDetections]]:
        """Yield the images of each timestep."""
        rng = np.random.default_rng(len(self.stream))
        for step in range(self.flux_sigma.shape[0]):
            yield [self._record(step, band, rng) for band in range(len(self.bands_hz))]

    def time_of(self, step: int) -> datetime:
        """Return when the images of a timestep start."""
        return START + timedelta(seconds=step * self.cadence_s)

    def step_at(self, time_start: datetime) -> int:
        """Return the timestep that starts then."""
        return round((time_start - START).total_seconds() / self.cadence_s)

    def place(self, number: int, step: int) -> tuple[float, float]:  # noqa: ARG002  (of movers)
        """Return where a source is at a timestep."""
        return self.places[number]

    def _record(self, step: int, band: int, rng: np.random.Generator) -> ImageDetections:
        flux = self.flux_sigma[step, band]
        threshold = np.broadcast_to(self.threshold_sigma, self.flux_sigma.shape[0])[step]
        seen = np.flatnonzero(flux >= threshold)
        error_deg = self.pos_err_arcsec / 3600
        places = [
            offset(self.place(each, step), *rng.normal(0, error_deg, 2)) for each in seen.tolist()
        ]
        factor = self.factors.get(step, 1.0)
        columns = sources(
            self._shift(places, step),
            flux_jy=flux[seen] * RMS_JY * factor,
            flux_err_jy=RMS_JY * factor,
            pos_err_arcsec=self.pos_err_arcsec,
            rms_jy_beam=RMS_JY * factor,
        )
        p_false = np.array([self.p_false.get(each, 0.0) for each in seen.tolist()])
        record = image(
            0,
            replace(columns, p_false=p_false),
            stream=self.stream,
            centre=self.centre,
            freq_eff_hz=self.bands_hz[band],
            rms_jy_beam=RMS_JY * factor,
            detection_threshold_sigma=float(threshold),
            salt=str(step),
        )
        assert record.metadata is not None
        metadata = replace(
            record.metadata,
            time_start=self.time_of(step),
            exposure_s=min(self.cadence_s, 300.0),
        )
        self._images[record.image_id] = step, band
        return replace(record, metadata=metadata, n_bands=len(self.bands_hz))

    def _shift(
        self, places: Sequence[tuple[float, float]], step: int, *, sign: int = 1
    ) -> list[tuple[float, float]]:
        if step not in self.shifts_deg or not places:
            return list(places)
        ra, dec = (np.array([each[axis] for each in places]) for axis in (0, 1))
        east, north = (np.full(ra.size, sign * each) for each in self.shifts_deg[step])
        moved = move_in_plane(ra, dec, centre=self.centre, offset_deg=(east, north))
        return list(zip(*(each.tolist() for each in moved), strict=True))

    def answer(self, request: ForcedRequest) -> ForcedMeasurements:
        """Return what an image has at the positions of a request."""
        if not self.keeps_pixels and "lookback" in request.positions.extraction_type:
            return without_fluxes(request, "not_kept")
        step, band = self._images[request.image_id]
        asked = self._shift(
            list(zip(request.positions.ra.tolist(), request.positions.dec.tolist(), strict=True)),
            step,
            sign=-1,
        )
        there = [self.place(each, step) for each in range(len(self.places))]
        ours, theirs = (
            to_unit_vectors(*(np.array([each[axis] for each in some]) for axis in (0, 1))).T
            for some in (asked, there)
        )
        away_deg = np.degrees(
            2 * np.arcsin(np.linalg.norm(ours[:, None] - theirs[None], axis=2) / 2)
        )
        away_deg[:, np.isnan(self.flux_sigma[step, band])] = np.inf
        nearest, is_empty = np.argmin(away_deg, axis=1), away_deg.min(axis=1) > _NEAR_DEG
        noise = [_noise(request.image_id, each) for each in asked]
        flux = np.where(is_empty, noise, self.flux_sigma[step, band, nearest])
        factor = RMS_JY * self.factors.get(step, 1.0)
        result = measure(request)
        columns = replace(
            result.measurements,
            flux_peak_jy_beam=flux * factor,
            flux_peak_err_jy_beam=np.full(flux.size, factor),
            rms_local_jy_beam=np.full(flux.size, factor),
        )
        return replace(result, measurements=columns)


def begun(events: Sequence[SourceEvent], sky: WatchedSky) -> list[tuple[int, str]]:
    """Return timestep and kind of the events that begin an episode."""
    return [
        (sky.step_at(each.time_start), each.kind)
        for each in events
        if each.kind not in ("update", "retraction")
    ]


def _noise(image_id: str, place: tuple[float, float]) -> float:
    """Return the noise at a place of an image, whenever it is asked for [sigma]."""
    text = f"{image_id}|{place[0]:.3f}|{place[1]:.3f}"
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return float(np.clip(np.random.default_rng(seed).normal(), -3, 3))
