"""The columns of exported tables: names, types, units and UCDs, one list a table."""

from dataclasses import dataclass, replace
from typing import Literal

__all__ = [
    "ALERTS",
    "CONE_SOURCES",
    "CONE_TRANSIENTS",
    "DETECTIONS",
    "IMAGES",
    "SOURCES",
    "TRANSIENTS",
    "Column",
]

Kind = Literal["double", "long", "int", "boolean", "time", "text"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        As in JSON.
    kind : str
        ``double``, ``long``, ``int``, ``boolean``, ``time`` or ``text``.
    unit : str or None
        As VOUnits writes it.
    ucd : str
        Unified Content Descriptor (UCD1+, IVOA).
    size : int
        Most bytes of a text; a longer one is cut off. 0: any length.
    description : str
        Meaning; empty: the name says it.
    xtype, utype : str or None
        Of a VOTable: how a text is to be read, and its place in a data model.
    """

    name: str
    kind: Kind
    unit: str | None = None
    ucd: str = ""
    size: int = 64
    description: str = ""
    xtype: str | None = None
    utype: str | None = None


_RADIO = "phot.flux.density;em.radio"
_PEAK = f"{_RADIO};stat.max"


def _errors(name: str) -> tuple[Column, ...]:
    return (
        Column("ra_err_deg", "double", "deg", f"stat.error;pos.eq.ra{name}"),
        Column("dec_err_deg", "double", "deg", f"stat.error;pos.eq.dec{name}"),
    )


_VARIABILITY = tuple(
    Column(f"{quantity}{suffix}", "double", None, ucd)
    for suffix in ("", "_peak", "_blind", "_peak_blind")
    for quantity, ucd in (("eta", "stat.fit.chi2;src.var"), ("v", "src.var.index"))
)

SOURCES = (
    Column("id", "long", None, "meta.id;meta.main"),
    Column("parent_source_id", "long", None, "meta.id.parent"),
    Column("stream", "text", None, "meta.id;obs"),
    Column("ra", "double", "deg", "pos.eq.ra;meta.main"),
    Column("dec", "double", "deg", "pos.eq.dec;meta.main"),
    *_errors(""),
    Column("n_datapoints", "long", None, "meta.number;obs"),
    Column("n_forced", "long", None, "meta.number"),
    *_VARIABILITY,
    Column("flux_int_mean_jy", "double", "Jy", f"{_RADIO};stat.mean"),
    Column("flux_int_max_jy", "double", "Jy", _PEAK),
    Column("flux_int_last_jy", "double", "Jy", _RADIO),
    Column("flux_peak_mean_jy_beam", "double", "Jy/beam", f"{_RADIO};stat.mean"),
    Column("flux_peak_last_jy_beam", "double", "Jy/beam", _RADIO),
    Column("snr_max", "double", None, "stat.snr;stat.max"),
    Column("spectral_index", "double", None, "spect.index"),
    Column("nearest_source_arcsec", "double", "arcsec", "pos.angDistance"),
    Column("first_time_start", "time", None, "time.start;obs"),
    Column("last_time_start", "time", None, "time.end;obs"),
    Column("is_new", "boolean", None, "meta.code"),
    Column("is_variable", "boolean", None, "meta.code;src.var"),
    Column("state", "text", None, "meta.code.status", 16),
)

# Of Simple Cone Search 1.03, whose three main columns have UCDs of the first version.
_CONE_MAIN = (
    Column("name", "text", None, "ID_MAIN", 96),
    Column("ra", "double", "deg", "POS_EQ_RA_MAIN"),
    Column("dec", "double", "deg", "POS_EQ_DEC_MAIN"),
)
_NOT_IN_CONE = {
    "ra",
    "dec",
    "flux_int_mean_jy",
    "flux_int_max_jy",
    "flux_peak_mean_jy_beam",
    "spectral_index",
    "nearest_source_arcsec",
}


def _to_cone(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return the columns of a cone search: the main ones first."""
    others = (replace(each, ucd=each.ucd.removesuffix(";meta.main")) for each in columns)
    return _CONE_MAIN + tuple(each for each in others if each.name not in _NOT_IN_CONE)


TRANSIENTS = (
    Column("id", "long", None, "meta.id;meta.main"),
    Column("source_id", "long", None, "meta.id;src"),
    Column("trig_id", "text", None, "meta.id"),
    Column("stream", "text", None, "meta.id;obs"),
    Column("kind", "text", None, "meta.code.class", 16),
    Column("state", "text", None, "meta.code.status", 16),
    Column("certainty", "text", None, "meta.code.qual", 16),
    Column("ra", "double", "deg", "pos.eq.ra;meta.main"),
    Column("dec", "double", "deg", "pos.eq.dec;meta.main"),
    *_errors(""),
    Column("time_start", "time", None, "time.start;obs.exposure"),
    Column("time_detected", "time", None, "time.processing"),
    Column("time_peak", "time", None, "time.epoch;stat.max"),
    Column("time_end", "time", None, "time.end"),
    Column("flux_peak_jy_beam", "double", "Jy/beam", _RADIO),
    Column("flux_peak_max_jy_beam", "double", "Jy/beam", _PEAK),
    Column("snr", "double", None, "stat.snr"),
    Column("trigger", "text", None, "meta.code", 32),
    Column("trigger_sigma", "double", None, "stat.snr"),
    Column("n_episodes", "long", None, "meta.number"),
    Column("n_datapoints", "long", None, "meta.number;obs"),
    Column("n_forced", "long", None, "meta.number"),
    *_VARIABILITY,
)

IMAGES = (
    Column("id", "long", None, "meta.id;meta.main"),
    Column("image_id", "text", None, "meta.id;obs.image"),
    Column("stream", "text", None, "meta.id;obs"),
    Column("verdict", "text", None, "meta.code.qual", 8),
    Column("time_start", "time", None, "time.start;obs.exposure"),
    Column("exposure_s", "double", "s", "time.duration;obs.exposure"),
    Column("freq_eff_hz", "double", "Hz", "em.freq;instr"),
    Column("freq_bw_hz", "double", "Hz", "instr.bandwidth"),
    Column("stokes", "text", None, "phys.polarization.stokes", 8),
    Column("beam_major_deg", "double", "deg", "phys.angSize.smajAxis;instr.beam"),
    Column("beam_minor_deg", "double", "deg", "phys.angSize.sminAxis;instr.beam"),
    Column("beam_pa_deg", "double", "deg", "pos.posAng;instr.beam"),
    Column("field_ra", "double", "deg", "pos.eq.ra;instr.fov"),
    Column("field_dec", "double", "deg", "pos.eq.dec;instr.fov"),
    Column("field_radius_deg", "double", "deg", "phys.angSize;instr.fov"),
    Column("width_px", "long", "pixel", "meta.number;instr.pixel"),
    Column("height_px", "long", "pixel", "meta.number;instr.pixel"),
    Column("telescope", "text", None, "instr.tel"),
    Column("rms_jy_beam", "double", "Jy/beam", "stat.rms;phot.flux.density"),
    Column("n_sources", "long", None, "meta.number;src"),
    Column("is_late", "boolean", None, "meta.code"),
)

ALERTS = (
    Column("id", "long", None, "meta.id;meta.main"),
    Column("ivorn", "text", None, "meta.ref.ivoid", 256),
    Column("trig_id", "text", None, "meta.id"),
    Column("revision", "long", None, "meta.version"),
    Column("alert_type", "text", None, "meta.code", 16),
    Column("role", "text", None, "meta.code", 16),
    Column("kind", "text", None, "meta.code.class", 16),
    Column("state", "text", None, "meta.code.status", 16),
    Column("stream", "text", None, "meta.id;obs"),
    Column("transient_id", "long", None, "meta.id"),
    Column("source_id", "long", None, "meta.id;src"),
    Column("ra", "double", "deg", "pos.eq.ra;meta.main"),
    Column("dec", "double", "deg", "pos.eq.dec;meta.main"),
    Column("snr", "double", None, "stat.snr"),
    Column("flux_peak_jy_beam", "double", "Jy/beam", _RADIO),
    Column("time_start", "time", None, "time.start;obs.exposure"),
    Column("time_alert", "time", None, "time.creation"),
    Column("latency_s", "double", "s", "time.duration"),
)

DETECTIONS = (
    Column("source_id", "long", None, "meta.id;src"),
    Column("image_id", "text", None, "meta.id;obs.image"),
    Column("source_number", "long", None, "meta.id"),
    Column("stream", "text", None, "meta.id;obs"),
    Column("time_start", "time", None, "time.start;obs.exposure"),
    Column("exposure_s", "double", "s", "time.duration;obs.exposure"),
    Column("freq_eff_hz", "double", "Hz", "em.freq;instr"),
    Column("freq_bw_hz", "double", "Hz", "instr.bandwidth"),
    Column("stokes", "text", None, "phys.polarization.stokes", 8),
    Column("extraction_type", "text", None, "meta.code", 8),
    Column("ra", "double", "deg", "pos.eq.ra;meta.main"),
    Column("dec", "double", "deg", "pos.eq.dec;meta.main"),
    *_errors(""),
    Column("flux_peak_jy_beam", "double", "Jy/beam", _PEAK),
    Column("flux_peak_err_jy_beam", "double", "Jy/beam", f"stat.error;{_RADIO}"),
    Column("flux_int_jy", "double", "Jy", _RADIO),
    Column("flux_int_err_jy", "double", "Jy", f"stat.error;{_RADIO}"),
    Column("snr", "double", None, "stat.snr"),
    Column("rms_local_jy_beam", "double", "Jy/beam", "stat.rms;phot.flux.density"),
    Column("major_arcsec", "double", "arcsec", "phys.angSize.smajAxis"),
    Column("minor_arcsec", "double", "arcsec", "phys.angSize.sminAxis"),
    Column("pa_deg", "double", "deg", "pos.posAng"),
    Column("de_ruiter_radius", "double", None, "stat.fit.goodness"),
    Column("quality_flags", "long", None, "meta.code.qual"),
    Column("p_false", "double", None, "stat.probability"),
)

CONE_SOURCES = _to_cone(SOURCES)
CONE_TRANSIENTS = _to_cone(TRANSIENTS)
