// A cube, read from its own Zarr metadata: its grid, bands and slots. Pixels are the workers' affair.

import * as zarr from "zarrita";
import { blosc } from "./blosc";
import { type Point, type Projection, projectionOf } from "./projection";
import { type Window, address, ask } from "./service";

zarr.registry.set("blosc", async () => blosc as never);

export type Metadata = zarr.ArrayMetadata;

/** What a cube's pixel variable may be called: the sensor's word for it. */
const VARIABLES = ["reflectance", "backscatter", "brightness", "elevation", "land_cover"];

/** One acquisition on the tile. */
export interface Slot {
  /** The position on the time axis as stored. */
  index: number;
  time: Date;
  item: string;
  /** Percent, the provider's; NaN where unknown. */
  cloud: number;
}

/** Rows and columns of the cube's grid: the first, and the one behind the last. */
export interface Box {
  top: number;
  left: number;
  bottom: number;
  right: number;
}

/** Slots from one to before another, and the commit of the pixels that they were computed from. */
export type Run = [first: number, end: number, commit: number];

/** An opened cube. */
export interface Cube {
  path: string;
  sensor: string;
  tile: string;
  attribution: string;
  variable: string;
  metadata: Metadata;
  units: string;
  /** Stored number -> physical one. */
  scale: number;
  offset: number;
  fill: number;
  bands: string[];
  commonNames: string[];
  /** Sorted by time; superseded ones left out. */
  slots: Slot[];
  /** Pixels: of the tile's side, and of a chunk's. */
  rows: number;
  columns: number;
  chunk: number;
  /** Bytes of a chunk, decoded: all of its bands. */
  chunkBytes: number;
  /** Which slots have embeddings, by the name of their variable. */
  computed: Record<string, Run[]>;
  /** Metres: the north-west corner and the size of a pixel. */
  origin: Point;
  pixel: number;
  projection: Projection;
}

interface Group {
  attributes: Record<string, unknown>;
  consolidated_metadata: { metadata: Record<string, Metadata> };
}

/** The index of a shard is read once for all of its chunks: it is read on when one of them is given up. */
function patient(request: Request): Promise<Response> {
  const isIndex = request.headers.get("Range")?.startsWith("bytes=-");
  return fetch(isIndex ? new Request(request, { signal: null }) : request);
}

/** A Zarr array that a group's consolidated metadata describe. */
export function arrayOf(path: string, name: string, metadata: Metadata) {
  const store = new zarr.FetchStore(address(`zarr/${path}/`), { useSuffixRequest: true, fetch: patient });
  return new zarr.Array(store, `/${name}`, metadata);
}

async function read<T>(path: string, name: string, group: Group): Promise<T[]> {
  const metadata = group.consolidated_metadata.metadata[name];
  if (!metadata) return [];
  const { data } = await zarr.get(arrayOf(path, name, metadata));
  return Array.from(data as ArrayLike<T>);
}

function slotsOf(times: bigint[], items: string[], clouds: number[], superseded: string[]): Slot[] {
  const gone = new Set(superseded.filter(Boolean));
  return times
    .map((time, index) => ({
      index,
      time: new Date(Number(time / 1000n)),
      item: items[index] ?? "",
      cloud: clouds[index] ?? Number.NaN,
    }))
    .filter((slot) => !gone.has(slot.item))
    .sort((a, b) => a.time.getTime() - b.time.getTime());
}

/** What tells a chunk from all others. */
export const keyOf = (chunk: { path: string; slot: number; row: number; column: number }): string =>
  [chunk.path, chunk.slot, chunk.row, chunk.column].join();

/** The number that means nodata; JSON has none for NaN, which needs no comparison. */
const fillOf = ({ fill_value: fill }: Metadata): number => (typeof fill === "number" ? fill : Number.NaN);

/** The shape of what is read at a time: of a shard's chunks, or of the array's. */
function chunkShape(metadata: Metadata): number[] {
  const sharding = metadata.codecs.find((codec) => codec.name === "sharding_indexed");
  return (
    (sharding?.configuration as { chunk_shape?: number[] } | undefined)?.chunk_shape ??
    metadata.chunk_grid.configuration.chunk_shape
  );
}

/** Bytes of a number: `int16` has two. */
const bytesOf = ({ data_type: type }: Metadata): number => Number(/\d+$/.exec(String(type))![0]) / 8;

/** Open the cube at a path of the store, `grid/tile/sensor`. */
export async function openCube(path: string): Promise<Cube> {
  const group = await ask<Group>(`zarr/${path}/zarr.json`);
  const { attributes, consolidated_metadata } = group;
  const variable = VARIABLES.find((name) => name in consolidated_metadata.metadata);
  if (!variable) throw new Error(`${path} has none of ${VARIABLES.join(", ")}: nothing to draw`);
  const metadata = consolidated_metadata.metadata[variable]!;
  const [bands, commonNames, times, items, clouds, superseded] = await Promise.all([
    read<string>(path, "band", group),
    read<string>(path, "common_name", group),
    read<bigint>(path, "time", group),
    read<string>(path, "item_id", group),
    read<number>(path, "cloud_cover", group),
    read<string>(path, "supersedes", group),
  ]);
  const transform = attributes["spatial:transform"] as number[];
  const shape = chunkShape(metadata);
  const [, , rows, columns] = metadata.shape as [number, number, number, number];
  return {
    path,
    sensor: attributes["cubestore:sensor"] as string,
    tile: attributes["cubestore:tile"] as string,
    attribution: (attributes["attribution"] as string | undefined) ?? "",
    variable,
    metadata,
    units: (metadata.attributes["units"] as string | undefined) ?? "",
    scale: (metadata.attributes["scale_factor"] as number | undefined) ?? 1,
    offset: (metadata.attributes["add_offset"] as number | undefined) ?? 0,
    fill: fillOf(metadata),
    bands,
    commonNames,
    slots: slotsOf(times, items, clouds, superseded),
    rows,
    columns,
    chunk: shape.at(-1)!,
    chunkBytes: shape.reduce((a, b) => a * b) * bytesOf(metadata),
    computed: (attributes["cubestore:computed"] as Cube["computed"] | undefined) ?? {},
    origin: [transform[2]!, transform[5]!],
    pixel: transform[0]!,
    projection: projectionOf(attributes["proj:code"] as string | undefined),
  };
}

/** The longitude and latitude of a place on the cube's grid, in pixels from its north-west corner. */
export function lonLat({ origin, pixel, projection }: Cube, row: number, column: number): Point {
  return projection.inverse(origin[0] + column * pixel, origin[1] - row * pixel);
}

/** Where a longitude and latitude lie on the cube's grid: row and column, with fractions. */
export function rowColumn({ origin, pixel, projection }: Cube, lon: number, lat: number): Point {
  const [x, y] = projection.forward(lon, lat);
  return [(origin[1] - y) / pixel, (x - origin[0]) / pixel];
}

export const isInside = (cube: Cube, [row, column]: Point): boolean =>
  row >= 0 && column >= 0 && row < cube.rows && column < cube.columns;

/** The box of the cube's grid that holds these places, in whole pixels; it may reach beyond the tile. */
function boxOf(cube: Cube, places: Point[]): Box {
  const found = places.map(([lon, lat]) => rowColumn(cube, lon, lat));
  const [rows, columns] = [found.map(([row]) => row), found.map(([, column]) => column)];
  return {
    top: Math.floor(Math.min(...rows) + 1e-3),
    left: Math.floor(Math.min(...columns) + 1e-3),
    bottom: Math.ceil(Math.max(...rows) - 1e-3),
    right: Math.ceil(Math.max(...columns) - 1e-3),
  };
}

/** A box as the service writes it. */
export const boxOfWindow = ([top, left, bottom, right]: Window): Box => ({ top, left, bottom, right });

/** All of a tile. */
export const whole = ({ rows, columns }: Cube): Box => ({ top: 0, left: 0, bottom: rows, right: columns });

/** The part of the tile that holds these places. */
export const boxAround = (cube: Cube, places: Point[]): Box => overlap(boxOf(cube, places), whole(cube));

/** What two boxes share; empty where they do not meet. */
export const overlap = (a: Box, b: Box): Box => ({
  top: Math.max(a.top, b.top),
  left: Math.max(a.left, b.left),
  bottom: Math.min(a.bottom, b.bottom),
  right: Math.min(a.right, b.right),
});

/** Whether a box holds all of another. */
export const holds = (a: Box, b: Box): boolean =>
  a.top <= b.top && a.left <= b.left && a.bottom >= b.bottom && a.right >= b.right;

export const isEmpty = ({ top, left, bottom, right }: Box): boolean => bottom <= top || right <= left;
