// Where the map goes: to cubes, to the data of one, to a chip.

import { LngLat, LngLatBounds, type Map as MapLibre } from "maplibre-gl";
import { type Box, type Cube, lonLat } from "./cube";
import type { Listed } from "./cubes";

/** Beside what lies on the map. */
const AROUND_DATA = { top: 32, left: 32, right: 32, bottom: 150 };

/** Whether the reader asked for less motion. */
const calm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function goToCubes(map: MapLibre, cubes: readonly Listed[]): void {
  if (!cubes.length) return;
  const bounds = new LngLatBounds();
  // A box whose east is west of its west crosses the antimeridian.
  for (const { bbox: [w, s, e, n] } of cubes) bounds.extend([w, s]).extend([w <= e ? e : e + 360, n]);
  map.fitBounds(bounds, { padding: 48, maxZoom: 9, animate: false });
}

/** Go to a part of a cube, near enough that its own pixels are drawn. */
export function goToPart(map: MapLibre, cube: Cube, { top, left, bottom, right }: Box): void {
  const bounds = new LngLatBounds();
  for (const row of [top, bottom])
    for (const column of [left, right]) bounds.extend(lonLat(cube, row, column));
  map.fitBounds(turned(bounds), { padding: AROUND_DATA, animate: false });
}

/** Bounds with their middle on the map: a tile's metres go on beyond the antimeridian. */
function turned(bounds: LngLatBounds): LngLatBounds {
  const { lng } = bounds.getCenter();
  const turn = new LngLat(lng, 0).wrap().lng - lng;
  const [[west, south], [east, north]] = bounds.toArray() as [[number, number], [number, number]];
  return new LngLatBounds([west + turn, south], [east + turn, north]);
}

export function goToChip(map: MapLibre, geometry: GeoJSON.Geometry): void {
  const ring = (geometry as GeoJSON.Polygon).coordinates[0] as [number, number][];
  const bounds = ring.reduce((all, at) => all.extend(at), new LngLatBounds());
  map.fitBounds(bounds, { padding: 80, maxZoom: 15, animate: !calm() });
}
