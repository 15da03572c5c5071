"""The true sources of a simulation: one row a source, as objects and as a CSV file."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.image import make_wcs, utc_isot
from livetrap.simulator.sky_model import SkyModel, SkySource, SourceKind

__all__ = ["TruthRow", "TruthTable", "format_truth", "truth"]

# For a variable of an endless run: the peak is that of this many timesteps.
_ENDLESS_SCAN_TIMESTEPS = 500


@dataclass(frozen=True, slots=True)
class TruthRow:
    """A simulated source; the columns of ``truth.csv`` in this order.

    Parameters
    ----------
    source_number : int
        Counts from 0.
    kind : {'steady', 'faint', 'variable', 'fast_transient', 'slow_transient'}
        Population; `faint` ones are not detectable unless the run put them at the threshold.
    ra, dec : float
        Position, ICRS [deg].
    y_px, x_px : float
        Position, 0-based [px].
    spectral_index : float
        Flux goes as frequency to this power.
    timestep_first, timestep_peak, timestep_last : int or None
        When it has flux, first and last included, within the run; None in an endless run for
        a persistent source.
    time_start_first, time_start_last : datetime or None
        Start of the exposures of those timesteps, UTC.
    snr_peak_min : float
        Signal-to-noise ratio at the peak in the noisiest band.
    flux_peak_jy_beam : tuple of float
        Flux in each band in the brightest timestep [Jy/beam]; one CSV column a band, named
        ``flux_peak_jy_beam_124MHz``.
    """

    source_number: int
    kind: SourceKind
    ra: float
    dec: float
    y_px: float
    x_px: float
    spectral_index: float
    timestep_first: int | None
    timestep_peak: int
    timestep_last: int | None
    time_start_first: datetime | None
    time_start_last: datetime | None
    snr_peak_min: float
    flux_peak_jy_beam: tuple[float, ...]

    @property
    def is_transient(self) -> bool:
        """Return whether it must be detected as a new source."""
        return self.kind.endswith("_transient")


def truth(config: SimulatorConfig) -> list[TruthRow]:
    """Return the rows of a run; of an endless one those of its first 100 timesteps.

    Parameters
    ----------
    config : SimulatorConfig
        The observation.

    Raises
    ------
    SettingsError
        If so many sources do not fit into the image.
    """
    table = TruthTable(config)
    return [*table.persistent(), *table.transients(0)]


class TruthTable:
    """Rows of a run, block by block; an endless run has new transients in every block.

    Parameters
    ----------
    config : SimulatorConfig
        The observation.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self._config = config
        self._sky = SkyModel(config)
        self._wcs = make_wcs(config)

    def persistent(self) -> list[TruthRow]:
        """Return the persistent sources."""
        return self._rows(self._sky.persistent)

    def transients(self, block: int) -> list[TruthRow]:
        """Return those that appear in a block of timesteps; a finite run is block 0."""
        return self._rows(self._sky.transients(block))

    def _rows(self, sources: Sequence[SkySource]) -> list[TruthRow]:
        if not sources:
            return []
        x_px = [source.x_px for source in sources]
        y_px = [source.y_px for source in sources]
        ra, dec = self._wcs.all_pix2world(x_px, y_px, 0)
        return [
            self._row(source, float(ra_deg), float(dec_deg))
            for source, ra_deg, dec_deg in zip(sources, ra, dec, strict=True)
        ]

    def _row(self, source: SkySource, ra_deg: float, dec_deg: float) -> TruthRow:
        config = self._config
        run_last = config.images - 1 if config.images else None
        first = 0 if source.first is None else source.first
        last = _earlier(source.last, run_last)
        scan_last = _ENDLESS_SCAN_TIMESTEPS if last is None else last
        peak = max(range(first, scan_last + 1), key=source.light_curve.factor)
        fluxes_jy = tuple(source.flux_jy(freq_hz, peak) for freq_hz in config.bands_hz)
        snrs = [f / rms for f, rms in zip(fluxes_jy, config.rms_by_band_jy_beam, strict=True)]
        return TruthRow(
            source_number=source.number,
            kind=source.kind,
            ra=ra_deg % 360.0,
            dec=dec_deg,
            y_px=source.y_px,
            x_px=source.x_px,
            spectral_index=source.spectral_index,
            timestep_first=first,
            timestep_peak=peak,
            timestep_last=last,
            time_start_first=config.time_start(first),
            time_start_last=None if last is None else config.time_start(last),
            snr_peak_min=min(snrs),
            flux_peak_jy_beam=fluxes_jy,
        )


def format_truth(config: SimulatorConfig, rows: Iterable[TruthRow], *, header: bool = True) -> str:
    """Return rows as CSV; an empty cell is None.

    Parameters
    ----------
    config : SimulatorConfig
        The observation.
    rows : iterable of TruthRow
        The rows.
    header : bool
        Whether to begin with the line of column names.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(TruthRow.__dataclass_fields__)[:-1]
    if header:
        writer.writerow([*names, *(f"flux_peak_jy_beam_{band}" for band in config.band_names)])
    for row in rows:
        cells = [_cell(getattr(row, name)) for name in names]
        writer.writerow([*cells, *(f"{flux_jy:.6g}" for flux_jy in row.flux_peak_jy_beam)])
    return text.getvalue()


def _earlier(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return min(known, default=None)


def _cell(value: str | float | datetime | None) -> str:
    if isinstance(value, datetime):
        return utc_isot(value) + "Z"
    if isinstance(value, float):
        return f"{value:.9g}"
    return "" if value is None else str(value)
