// What of the catalogue is wanted: which sensors, and slots of which time and cloud.

import type { Slot } from "./cube";

const DAY = 86_400_000;

/** What a filter asks of a slot. */
export type Taken = Pick<Slot, "time" | "cloud">;

/** What of the catalogue is shown. */
export interface Filter {
  /** How the tile's name begins, in capitals; "" for any. */
  tile: string;
  sensors: ReadonlySet<string> | null;
  /** Milliseconds since 1970: the first that is in the range, and the first after it. */
  from: number;
  before: number;
  /** Percent, at most. */
  cloud: number;
  here: [number, number] | null;
}

export const EVERYTHING: Filter = { tile: "", sensors: null, from: -Infinity, before: Infinity, cloud: 100, here: null };

/** The range of two days as a date field writes them, "" for none; both days are in it. */
export const between = (first: string, last: string): Pick<Filter, "from" | "before"> => ({
  from: first ? Date.parse(first) : -Infinity,
  before: last ? Date.parse(last) + DAY : Infinity,
});

/** Whether one slot is in the range with at most that cloud; one of unknown cloud is not cloudy. */
export const takes = ({ from, before, cloud }: Filter, slot: Taken): boolean =>
  slot.time.getTime() >= from && slot.time.getTime() < before && !(slot.cloud > cloud);

type Box = [west: number, south: number, east: number, north: number];

const within = ([w, s, e, n]: Box, [lon, lat]: [number, number]): boolean =>
  (w <= e ? lon >= w && lon <= e : lon >= w || lon <= e) && lat >= s && lat <= n;

/** Whether a cube is of a wanted tile and sensor, at the place, and has a slot that passes in all. */
export const passes = (cube: { tile: string; sensor: string; bbox: Box; slots: Taken[] }, filter: Filter): boolean =>
  cube.tile.toUpperCase().startsWith(filter.tile) &&
  (!filter.sensors || filter.sensors.has(cube.sensor)) &&
  (!filter.here || within(cube.bbox, filter.here)) &&
  cube.slots.some((slot) => takes(filter, slot));
