"""When, where, at what frequency and with what beam: the header variants of radio images."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from astropy.io.fits import Header
from astropy.time import Time

from sky.fits import HeaderError

__all__ = ["HeaderMetadata", "read_metadata", "read_time_start"]

_AIPS_BEAM = re.compile(r"BMAJ=\s*([-+.\dEe]+)\s+BMIN=\s*([-+.\dEe]+)\s+BPA=\s*([-+.\dEe]+)")
_STOKES = {1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -5: "XX", -6: "YY"}
_TIME_SCALES = frozenset({"utc", "tai", "tt", "ut1", "tdb", "tcb", "tcg"})


@dataclass(frozen=True, slots=True)
class HeaderMetadata:
    """What a header says of an image, apart from its place on the sky."""

    time_start: datetime
    exposure_s: float
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    beam_major_deg: float
    beam_minor_deg: float
    beam_pa_deg: float
    telescope: str | None


def read_metadata(header: Header) -> HeaderMetadata:
    """Read what the pipeline must know of an image.

    Raises
    ------
    HeaderError
        Codes ``no_date``, ``bad_date``, ``no_frequency``, ``no_beam``, ``bad_beam``.
    """
    time_start = read_time_start(header)
    major, minor, pa = _beam(header)
    freq, bandwidth = _frequency(header)
    telescope = str(header.get("TELESCOP", "")).strip()
    return HeaderMetadata(
        time_start=time_start,
        exposure_s=_exposure(header, time_start),
        freq_eff_hz=freq,
        freq_bw_hz=bandwidth,
        stokes=_stokes(header),
        beam_major_deg=major,
        beam_minor_deg=minor,
        beam_pa_deg=pa,
        telescope=telescope or None,
    )


def _number(header: Header, name: str) -> float | None:
    """Return a card as a finite float, or None if it is absent or no number."""
    try:
        value = float(header[name])
    except (KeyError, TypeError, ValueError):
        return None
    return value if abs(value) < float("inf") else None


def _beam(header: Header) -> tuple[float, float, float]:
    major, minor = _number(header, "BMAJ"), _number(header, "BMIN")
    pa = _number(header, "BPA") or 0.0
    if major is None or minor is None:
        found = _AIPS_BEAM.findall(" ".join(map(str, header.get("HISTORY", []))))
        if not found:
            raise HeaderError(
                "no_beam", "no restoring beam: set BMAJ, BMIN and BPA [deg] (or fits:BMAJ headers)"
            )
        major, minor, pa = (float(text) for text in found[-1])  # the last CLEAN counts
    if not 0 < minor <= major < 90:
        raise HeaderError(
            "bad_beam", f"senseless beam: BMAJ {major} deg, BMIN {minor} deg; 0 < BMIN <= BMAJ"
        )
    return major, minor, pa


def _frequency(header: Header) -> tuple[float, float]:
    rest = _number(header, "RESTFRQ")
    if rest and rest > 0:
        return rest, _bandwidth(header)
    for axis in range(3, int(header.get("NAXIS", 2)) + 1):
        if str(header.get(f"CTYPE{axis}", "")).strip().upper()[:4] in ("FREQ", "VOPT"):
            value = _number(header, f"CRVAL{axis}")
            if value and value > 0:
                return value, abs(_number(header, f"CDELT{axis}") or 0.0)
    for name in ("RESTFREQ", "FREQ"):
        value = _number(header, name)
        if value and value > 0:
            return value, _bandwidth(header)
    raise HeaderError(
        "no_frequency", "no frequency: set RESTFRQ [Hz] or give the image a FREQ axis"
    )


def _bandwidth(header: Header) -> float:
    rest = _number(header, "RESTBW")
    if rest:
        return abs(rest)
    for axis in range(3, int(header.get("NAXIS", 2)) + 1):
        if str(header.get(f"CTYPE{axis}", "")).strip().upper().startswith("FREQ"):
            return abs(_number(header, f"CDELT{axis}") or 0.0)
    return 0.0


def _stokes(header: Header) -> str:
    for axis in range(3, int(header.get("NAXIS", 2)) + 1):
        if str(header.get(f"CTYPE{axis}", "")).strip().upper() == "STOKES":
            return _STOKES.get(round(_number(header, f"CRVAL{axis}") or 1), "I")
    return "I"


def read_time_start(header: Header) -> datetime:
    """Return the start of the exposure, UTC.

    Raises
    ------
    HeaderError
        Codes ``no_date``, ``bad_date``.
    """
    text = str(header.get("DATE-OBS", "")).strip().strip('"').split(";")[0].strip(' "')
    mjd = _number(header, "MJD-OBS")
    scale = str(header.get("TIMESYS", "UTC")).strip().lower()
    if not text and mjd is None:
        raise HeaderError(
            "no_date", "no date: set DATE-OBS to the start of the exposure, ISO 8601 UTC"
        )
    if text:
        return _to_utc(text, None, scale)
    return _to_utc(mjd, "mjd", scale)


def _to_utc(value: str | float | None, form: str | None, scale: str) -> datetime:
    if isinstance(value, str) and value.endswith("Z"):
        value = value[:-1]
    try:
        if isinstance(value, str) and scale not in _TIME_SCALES - {"utc"}:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        time = Time(value, format=form, scale=scale if scale in _TIME_SCALES else "utc")
        return datetime.fromisoformat(time.utc.isot).replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise HeaderError(
            "bad_date", f"cannot read the date {value!r}: {error}; DATE-OBS wants ISO 8601 UTC"
        ) from None


def _exposure(header: Header, time_start: datetime) -> float:
    for name in ("EXPTIME", "TAU_TIME", "EXPOSURE", "TELAPSE"):
        value = _number(header, name)
        if value is not None and value >= 0:
            return value
    for name in ("DATE-END", "END_UTC"):
        text = str(header.get(name, "")).strip()
        if text:
            end = _to_utc(text, None, "utc")
            return max((end - time_start) / timedelta(seconds=1), 0.0)
    return 0.0
