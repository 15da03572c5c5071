// Numbers, positions and times as astronomers write them.

const pad = (number, digits = 2) => String(number).padStart(digits, "0");

function sexagesimal(value, digits) {
  const unit = 10 ** digits;
  const total = Math.round(Math.abs(value) * 3600 * unit);
  const seconds = (total % (60 * unit)) / unit;
  const minutes = Math.floor(total / (60 * unit)) % 60;
  const whole = Math.floor(total / (3600 * unit));
  return [whole, minutes, seconds.toFixed(digits).padStart(digits ? digits + 3 : 2, "0")];
}

export function raText(ra) {
  const [hours, minutes, seconds] = sexagesimal((((ra % 360) + 360) % 360) / 15, 2);
  return `${pad(hours % 24)}h${pad(minutes)}m${seconds}s`;
}

export function decText(dec) {
  const [degrees, minutes, seconds] = sexagesimal(dec, 1);
  return `${dec < 0 ? "−" : "+"}${pad(degrees)}°${pad(minutes)}′${seconds}″`;
}

export const degrees = (value) => (value === null ? "–" : `${value.toFixed(5)}°`);
export const arcsec = (value) => (value === null ? "–" : `${(value * 3600).toPrecision(3)}″`);

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3)) return value.toExponential(digits - 1);
  return Number(value.toPrecision(digits)).toString();
}

const UNITS = [[1, "Jy"], [1e-3, "mJy"], [1e-6, "µJy"]];
export function fluxUnit(flux) {
  const size = Math.abs(flux);
  return UNITS.find(([unit]) => size >= unit) ?? UNITS[2];
}
export function flux(value, suffix = "") {
  if (value === null) return "–";
  const [unit, name] = fluxUnit(value);
  return `${number(value / unit, 4)} ${name}${suffix}`;
}

export const frequency = (hz) => (hz >= 1e9 ? `${number(hz / 1e9, 4)} GHz` : `${number(hz / 1e6, 4)} MHz`);

export function time(iso) {
  return iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : "–";
}

export function ago(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

export const seconds = (value) => (value < 10 ? `${value.toFixed(2)} s` : `${Math.round(value)} s`);

export const kindText = {
  new_source: "new", variable: "variable", faded: "faded", vanished: "vanished", returned: "returned",
  moving: "moving",
};

export function downText(service) {
  if (!service.down_since) return `${service.name} is not running`;
  const since = service.down_since.slice(0, 19).replace("T", " ");
  return `${service.name} is down since ${since} UTC (${service.last_exit}, ${service.n_exits} in a row)`;
}
