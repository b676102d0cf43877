// Where a cube's metres lie on the Earth: UTM by Krüger's series, MODIS' sinusoidal grid by its sphere.

export type Point = [number, number];

/** A map projection: degrees to metres, and back. */
export interface Projection {
  forward(lon: number, lat: number): Point;
  inverse(x: number, y: number): Point;
}

const DEGREE = Math.PI / 180;

/** WGS 84: semi-major axis in metres, flattening (EPSG:7030). */
const A = 6378137;
const F = 1 / 298.257223563;

/** The sphere of the MODIS grid, metres (MODIS Land, "MODIS Sinusoidal Tile Grid"). */
const MODIS_RADIUS = 6371007.181;

const N = F / (2 - F);
const E = Math.sqrt(F * (2 - F));
const RECTIFYING = (A / (1 + N)) * (1 + N ** 2 / 4 + N ** 4 / 64);

/** Krüger 1912, coefficients to the fourth order: below a micrometre inside a zone (Karney 2011, eq. 35, 36). */
const ALPHA = [
  N / 2 - (2 / 3) * N ** 2 + (5 / 16) * N ** 3 + (41 / 180) * N ** 4,
  (13 / 48) * N ** 2 - (3 / 5) * N ** 3 + (557 / 1440) * N ** 4,
  (61 / 240) * N ** 3 - (103 / 140) * N ** 4,
  (49561 / 161280) * N ** 4,
];
const BETA = [
  N / 2 - (2 / 3) * N ** 2 + (37 / 96) * N ** 3 - (1 / 360) * N ** 4,
  (1 / 48) * N ** 2 + (1 / 15) * N ** 3 - (437 / 1440) * N ** 4,
  (17 / 480) * N ** 3 - (37 / 840) * N ** 4,
  (4397 / 161280) * N ** 4,
];

/** The tangent of the conformal latitude, of that of the geographic one. */
function conformal(tau: number): number {
  const sigma = Math.sinh(E * Math.atanh((E * tau) / Math.hypot(1, tau)));
  return tau * Math.hypot(1, sigma) - sigma * Math.hypot(1, tau);
}

/** The inverse of `conformal`, by Newton's method (Karney 2011, eq. 19 to 21): three steps suffice. */
function geographic(target: number): number {
  let tau = target;
  for (let step = 0; step < 3; step++) {
    const found = conformal(tau);
    const slope = (1 + (1 - E * E) * tau * tau) / ((1 - E * E) * Math.hypot(1, tau));
    tau += ((target - found) / Math.hypot(1, found)) * slope;
  }
  return tau;
}

/** A zone of UTM, of either hemisphere. */
export function utm(zone: number, south: boolean): Projection {
  const meridian = 6 * zone - 183;
  const k = 0.9996 * RECTIFYING;
  const falseNorthing = south ? 10_000_000 : 0;
  return {
    forward(lon, lat) {
      const t = conformal(Math.tan(lat * DEGREE));
      const away = (lon - meridian) * DEGREE;
      const xi = Math.atan2(t, Math.cos(away));
      const eta = Math.asinh(Math.sin(away) / Math.hypot(t, Math.cos(away)));
      let [x, y] = [eta, xi];
      ALPHA.forEach((a, i) => {
        x += a * Math.cos(2 * (i + 1) * xi) * Math.sinh(2 * (i + 1) * eta);
        y += a * Math.sin(2 * (i + 1) * xi) * Math.cosh(2 * (i + 1) * eta);
      });
      return [500_000 + k * x, falseNorthing + k * y];
    },
    inverse(easting, northing) {
      const [eta, xi] = [(easting - 500_000) / k, (northing - falseNorthing) / k];
      let [x, y] = [eta, xi];
      BETA.forEach((b, i) => {
        x -= b * Math.cos(2 * (i + 1) * xi) * Math.sinh(2 * (i + 1) * eta);
        y -= b * Math.sin(2 * (i + 1) * xi) * Math.cosh(2 * (i + 1) * eta);
      });
      const tau = geographic(Math.sin(y) / Math.hypot(Math.sinh(x), Math.cos(y)));
      return [meridian + Math.atan2(Math.sinh(x), Math.cos(y)) / DEGREE, Math.atan(tau) / DEGREE];
    },
  };
}

/** MODIS' sinusoidal grid. */
export const sinusoidal: Projection = {
  forward: (lon, lat) => [
    MODIS_RADIUS * lon * DEGREE * Math.cos(lat * DEGREE),
    MODIS_RADIUS * lat * DEGREE,
  ],
  inverse(x, y) {
    const lat = y / MODIS_RADIUS;
    return [x / (MODIS_RADIUS * Math.cos(lat)) / DEGREE, lat / DEGREE];
  },
};

/** The projection that a cube's attribute `proj:code` names; without a code it is the sinusoidal one. */
export function projectionOf(code: string | null | undefined): Projection {
  if (!code) return sinusoidal;
  const match = /^EPSG:32([67])(\d\d)$/.exec(code);
  if (!match) throw new Error(`The cube is in ${code}: this page draws UTM and the MODIS sinusoidal grid`);
  return utm(Number(match[2]), match[1] === "7");
}
