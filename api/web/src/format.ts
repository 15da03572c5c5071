// Numbers, positions and times as astronomers write them. A minus is a minus, not a hyphen.

const pad = (value: number, digits = 2): string => String(value).padStart(digits, "0");

const withMinus = (text: string): string => text.replaceAll("-", "−");

function sexagesimal(value: number, digits: number): [number, number, string] {
  const unit = 10 ** digits;
  const total = Math.round(Math.abs(value) * 3600 * unit);
  const seconds = (total % (60 * unit)) / unit;
  const minutes = Math.floor(total / (60 * unit)) % 60;
  return [Math.floor(total / (3600 * unit)), minutes, seconds.toFixed(digits).padStart(digits ? digits + 3 : 2, "0")];
}

function raText(ra: number): string {
  const [hours, minutes, seconds] = sexagesimal((((ra % 360) + 360) % 360) / 15, 2);
  return `${pad(hours % 24)}h${pad(minutes)}m${seconds}s`;
}

function decText(dec: number): string {
  const [degrees, minutes, seconds] = sexagesimal(dec, 1);
  return `${dec < 0 ? "−" : "+"}${pad(degrees)}°${pad(minutes)}′${seconds}″`;
}

export const place = (at: { ra: number; dec: number }): string => `${raText(at.ra)} ${decText(at.dec)}`;

/** The form that catalogue services accept: 08:06:37.90 -09:38:17.0 */
export function plainPlace(at: { ra: number; dec: number }): string {
  const colons = (text: string): string => text.replace("−", "-").replace(/[s″]$/, "").replaceAll(/[hm°′]/g, ":");
  return `${colons(raText(at.ra))} ${colons(decText(at.dec))}`;
}

export const degrees = (value: number | null): string => (value === null ? "–" : `${withMinus(value.toFixed(5))}°`);
/** Always so many digits, so that points stand below points; of a 1-sigma error two. */
export function arcsec(value: number | null, digits = 3): string {
  if (value === null) return "–";
  const text = value.toPrecision(digits);
  return `${text.includes("e") ? number(value, digits) : withMinus(text)}″`;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
export function power(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0 || (Math.abs(value) < 1e5 && Math.abs(value) >= 1e-3)) {
    return withMinus(String(Number(value.toPrecision(digits))));
  }
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${withMinus(mantissa ?? "")} × ${power(Number(exponent))}`;
}

/** For a column: always so many decimals, so that points stand below points. */
export function figure(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return Math.abs(value) < 1e5 ? withMinus(value.toFixed(decimals)) : number(value);
}
export const ETA_DECIMALS = 2;
export const V_DECIMALS = 3;

export const count = (value: number): string => withMinus(value.toLocaleString("en"));

const UNITS: readonly (readonly [number, string])[] = [[1, "Jy"], [1e-3, "mJy"], [1e-6, "µJy"]];
export function fluxUnit(flux: number): readonly [number, string] {
  return UNITS.find(([unit]) => Math.abs(flux) >= unit) ?? [1e-6, "µJy"];
}

export function flux(value: number | null, suffix = "", digits = 4): string {
  if (value === null) return "–";
  const [unit, name] = fluxUnit(value);
  return `${number(value / unit, digits)} ${name}${suffix}`;
}

/** For a column: always four digits, so that points stand below points. */
export function fluxFigure(value: number | null, suffix = ""): string {
  if (value === null) return "–";
  const [unit, name] = fluxUnit(value);
  return `${withMinus((value / unit).toPrecision(4))} ${name}${suffix}`;
}

export const snr = (value: number | null | undefined): string => (value === null || value === undefined ? "–" : withMinus(value.toFixed(1)));

/**
 * A value with its 1-sigma error: two digits of the error, and the value to the same place
 * (JCGM 100:2008, 7.2.6): 12.3 ± 4.1, 12350 ± 230, (1.20 ± 0.15) × 10⁻⁵
 */
export function withError(value: number | null, error: number | null, digits = 4): string {
  if (value === null || error === null || !Number.isFinite(value) || !Number.isFinite(error)) return number(value, digits);
  if (!(error > 0)) return `${number(value, digits)} ± ${number(error, 2)}`;
  const greatest = Math.max(Math.abs(value), error);
  if (greatest < 1e-3 || greatest >= 1e5) {
    const exponent = exponentOf(greatest);
    return `(${samePlace(value / 10 ** exponent, error / 10 ** exponent)}) × ${power(exponent)}`;
  }
  return samePlace(value, error);
}

const exponentOf = (value: number): number => Number(value.toExponential(1).split("e")[1]);

function samePlace(value: number, error: number): string {
  const decimals = 1 - exponentOf(error);
  const to = (of: number): string => (decimals < 0 ? String(Math.round(of * 10 ** decimals) * 10 ** -decimals) : of.toFixed(Math.min(100, decimals)));
  return `${withMinus(to(value))} ± ${to(error)}`;
}

/** A flux density with its 1-sigma error in one unit: 12.3 ± 4.1 mJy */
export function fluxWithError(value: number | null, error: number | null, suffix = ""): string {
  if (value === null || error === null) return flux(value, suffix);
  const [unit, name] = fluxUnit(Math.max(Math.abs(value), Math.abs(error)));
  return `${withError(value / unit, error / unit)} ${name}${suffix}`;
}

/** Axes and position angle of a beam; degrees in, arcseconds and degrees out. */
export function beamText(of: { beam_major_deg: number | null; beam_minor_deg: number | null; beam_pa_deg: number | null }): string {
  if (of.beam_major_deg === null || of.beam_minor_deg === null) return "–";
  return `${number(of.beam_major_deg * 3600)}″ × ${number(of.beam_minor_deg * 3600)}″, ${number(of.beam_pa_deg)}°`;
}

export const frequency = (hz: number | null): string => {
  if (hz === null) return "–";
  return hz >= 1e9 ? `${number(hz / 1e9, 4)} GHz` : `${number(hz / 1e6, 4)} MHz`;
};

export const time = (iso: string | null): string => (iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : "–");

export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${count(Math.round(seconds / 86_400))} d`;
}

export const age = (seconds: number): string => (seconds < 10 ? `${Math.max(0, Math.floor(seconds))} s` : duration(seconds));

const KINDS: Record<string, string> = { new_source: "new" };
export const kindText = (kind: string): string => KINDS[kind] ?? kind.replaceAll("_", " ");

export const band = (of: { freq_eff_hz: number | null; stokes: string | null }): string => `${frequency(of.freq_eff_hz)} ${of.stokes ?? "?"}`;
