// Celestial coordinates of an image: SIN and TAN projections (Calabretta & Greisen 2002, A&A 395, 1077).

const RAD = Math.PI / 180;

export interface Wcs {
  /** Pixel of a position, from 0, FITS rows; null on the far side of the sky. */
  toPixel: (ra: number, dec: number) => readonly [number, number] | null;
  scaleDeg: number;
  /** Angle of north from the columns' direction, counter-clockwise in FITS rows [rad]. */
  northRad: number;
}

/** Null if the header has another projection. */
export function parseWcs(header: string): Wcs | null {
  const cards = new Map(header.split("\n").map((card) => [card.slice(0, 8).trim(), (card.slice(10).split(" /")[0] ?? "").trim().replaceAll("'", "").trim()]));
  const value = (name: string, other: number): number => Number(cards.get(name) ?? other);
  const projection = /^(?:RA---)(SIN|TAN)$/.exec(cards.get("CTYPE1") ?? "")?.[1];
  if (!projection || value("LONPOLE", 180) !== 180) return null;
  const matrix = matrixOf(cards);
  const determinant = matrix[0] * matrix[3] - matrix[1] * matrix[2];
  if (!determinant) return null;
  const [ra0, dec0] = [value("CRVAL1", 0) * RAD, value("CRVAL2", 0) * RAD];
  const [xRef, yRef] = [value("CRPIX1", 0) - 1, value("CRPIX2", 0) - 1];
  return {
    scaleDeg: Math.sqrt(Math.abs(determinant)),
    northRad: Math.atan2(matrix[0] / determinant, -matrix[1] / determinant) - Math.PI / 2,
    toPixel: (ra, dec) => {
      const plane = toPlane(ra * RAD, dec * RAD, ra0, dec0, projection);
      if (!plane) return null;
      const [u, v] = plane;
      return [xRef + (matrix[3] * u - matrix[1] * v) / determinant, yRef + (matrix[0] * v - matrix[2] * u) / determinant];
    },
  };
}

/** The matrix from pixels to degrees in the plane, by rows. */
function matrixOf(cards: ReadonlyMap<string, string>): readonly [number, number, number, number] {
  const value = (name: string, other: number): number => Number(cards.get(name) ?? other);
  if (cards.has("CD1_1")) return [value("CD1_1", 0), value("CD1_2", 0), value("CD2_1", 0), value("CD2_2", 0)];
  const [dx, dy] = [value("CDELT1", 1), value("CDELT2", 1)];
  if (cards.has("CROTA2")) {
    const turn = value("CROTA2", 0) * RAD;
    return [dx * Math.cos(turn), -dy * Math.sin(turn), dx * Math.sin(turn), dy * Math.cos(turn)];
  }
  return [dx * value("PC1_1", 1), dx * value("PC1_2", 0), dy * value("PC2_1", 0), dy * value("PC2_2", 1)];
}

function toPlane(ra: number, dec: number, ra0: number, dec0: number, projection: string): [number, number] | null {
  const turn = ra - ra0;
  const towards = Math.sin(dec) * Math.sin(dec0) + Math.cos(dec) * Math.cos(dec0) * Math.cos(turn);
  if (towards <= 0) return null;
  const east = Math.cos(dec) * Math.sin(turn);
  const north = Math.sin(dec) * Math.cos(dec0) - Math.cos(dec) * Math.sin(dec0) * Math.cos(turn);
  const stretch = (projection === "TAN" ? 1 / towards : 1) / RAD;
  return [east * stretch, north * stretch];
}

export interface Position {
  ra: number;
  dec: number;
}

/** Degrees east and north of a centre in the tangent plane; null on the far side. */
export const offsets = (at: Position, centre: Position): [number, number] | null =>
  toPlane(at.ra * RAD, at.dec * RAD, centre.ra * RAD, centre.dec * RAD, "SIN");

/** A position in the middle of others, at the pole and at 0 h too; null: there is none. */
export function centreOf(positions: readonly { ra: number; dec: number }[]): { ra: number; dec: number } | null {
  const sum = [0, 0, 0] as [number, number, number];
  for (const { ra, dec } of positions) {
    sum[0] += Math.cos(dec * RAD) * Math.cos(ra * RAD);
    sum[1] += Math.cos(dec * RAD) * Math.sin(ra * RAD);
    sum[2] += Math.sin(dec * RAD);
  }
  const [x, y, z] = sum;
  if (Math.hypot(x, y, z) < 1e-6 * positions.length || !positions.length) return null;
  return { ra: (Math.atan2(y, x) / RAD + 360) % 360, dec: Math.atan2(z, Math.hypot(x, y)) / RAD };
}
