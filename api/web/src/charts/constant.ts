// A constant flux fitted to measurements: weighted mean, chi-squared and its probability.

export interface ConstantFit {
  n: number;
  mean: number;
  err: number; // 1 sigma of the mean
  chi2: number;
  nFree: number; // degrees of freedom
  probability: number; // of a chi-squared at least as large
}

/** Null for fewer than two measurements with an error. */
export function fitConstant(measured: readonly { flux: number; err: number }[]): ConstantFit | null {
  const usable = measured.filter(({ flux, err }) => err > 0 && Number.isFinite(err) && Number.isFinite(flux));
  const n = usable.length;
  if (n < 2) return null;
  const weight = usable.reduce((sum, { err }) => sum + err ** -2, 0);
  const mean = usable.reduce((sum, { flux, err }) => sum + flux * err ** -2, 0) / weight;
  const chi2 = usable.reduce((sum, { flux, err }) => sum + ((flux - mean) / err) ** 2, 0);
  return { n, mean, err: weight ** -0.5, chi2, nFree: n - 1, probability: survival(chi2 / 2, (n - 1) / 2) };
}

const ENOUGH = 1e-12;
const TINY = 1e-300;

/** The upper regularised incomplete gamma function Q(a, x) (Press et al. 2007, Numerical Recipes, 6.2). */
function survival(x: number, a: number): number {
  if (x <= 0) return 1;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  return x < a + 1 ? 1 - scale * series(x, a) : scale * fraction(x, a);
}

function series(x: number, a: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * ENOUGH; n += 1) {
    term *= x / (a + n);
    sum += term;
  }
  return sum;
}

/** The continued fraction, from its head on (modified Lentz method). */
function fraction(x: number, a: number): number {
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let product = d;
  for (let n = 1, change = 0; Math.abs(change - 1) > ENOUGH; n += 1) {
    const top = -n * (n - a);
    b += 2;
    d = 1 / (top * d + b || TINY);
    c = b + top / c || TINY;
    change = d * c;
    product *= change;
  }
  return product;
}

/** By Stirling's series beyond 10, and the recurrence below. */
function logGamma(value: number): number {
  let [z, below] = [value, 0];
  for (; z < 10; z += 1) below += Math.log(z);
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * z) - 1 / (360 * z ** 3) + 1 / (1260 * z ** 5) - below;
}
