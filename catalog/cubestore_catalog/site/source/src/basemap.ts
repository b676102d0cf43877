// The map below: land, borders and names of Natural Earth, and a graticule. Nothing comes from elsewhere.

import type { StyleSpecification } from "maplibre-gl";
import { feature, mesh } from "topojson-client";
import { ask } from "./service";

type Topology = Parameters<typeof feature>[0];
type Collection = GeoJSON.FeatureCollection<GeoJSON.Polygon | GeoJSON.MultiPolygon, { name: string }>;

/** Colours that the page's own style sheet defines, so that light and dark stand in one place. */
export const ink = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--map-${name}`).trim();

function graticule(step: number): GeoJSON.MultiLineString {
  const lines: GeoJSON.Position[][] = [];
  for (let lon = -180; lon <= 180; lon += step) lines.push([[lon, -85], [lon, 85]]);
  for (let lat = -80; lat <= 80; lat += step) lines.push([[-180, lat], [180, lat]]);
  return { type: "MultiLineString", coordinates: lines };
}

/** A ring that crosses the antimeridian goes on beyond 180 degrees; one around a pole is closed there. */
function unrolled(ring: GeoJSON.Position[]): GeoJSON.Position[] {
  let turns = 0;
  const made = ring.map(([lon, lat], i): GeoJSON.Position => {
    const step = lon! - (ring[i - 1]?.[0] ?? lon!);
    if (Math.abs(step) > 180) turns -= Math.sign(step);
    return [lon! + 360 * turns, lat!];
  });
  if (turns === 0) return made;
  const [first, last] = [made[0]!, made.at(-1)!];
  const pole = last[1]! < 0 ? -90 : 90;
  return [...made, [last[0]!, pole], [first[0]!, pole], first];
}

/** Antarctica has its coast as the hole of a ring a few metres around the pole. */
const isPole = (ring: GeoJSON.Position[]): boolean => ring.every(([, lat]) => Math.abs(lat!) > 89.9);

const unrolledPart = (part: GeoJSON.Position[][]): GeoJSON.Position[][] =>
  part.filter((ring) => !isPole(ring)).map(unrolled);

function unrolledLand(land: Collection): Collection {
  for (const { geometry } of land.features)
    if (geometry.type === "Polygon") geometry.coordinates = unrolledPart(geometry.coordinates);
    else geometry.coordinates = geometry.coordinates.map(unrolledPart);
  return land;
}

/** The middle of a ring's box, and its size in square degrees. */
function middle(ring: GeoJSON.Position[]): { at: GeoJSON.Position; size: number } {
  const [lons, lats] = [ring.map((p) => p[0]!), ring.map((p) => p[1]!)];
  const [w, e] = [Math.min(...lons), Math.max(...lons)];
  const [s, n] = [Math.min(...lats), Math.max(...lats)];
  return { at: [(w + e) / 2, (s + n) / 2], size: (e - w) * (n - s) };
}

function labels({ features }: Collection): GeoJSON.FeatureCollection {
  const named = features.map(({ geometry, properties }): GeoJSON.Feature => {
    const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    const largest = parts.map((part) => middle(part[0]!)).sort((a, b) => b.size - a.size)[0]!;
    const place = { type: "Point" as const, coordinates: largest.at };
    return { type: "Feature", geometry: place, properties: { ...properties, size: largest.size } };
  });
  return { type: "FeatureCollection", features: named };
}

/** From zoom 6 on nothing is finer than its source: a coast of 1 : 50,000,000 is known to some hundred metres. */
const source = (data: GeoJSON.GeoJSON) => ({ type: "geojson" as const, data, tolerance: 0.2, maxzoom: 6 });

/** The style of the empty map. */
export async function basemap(): Promise<StyleSpecification> {
  const world = await ask<Topology>("browse/countries.json");
  const countries = world.objects["countries"]!;
  const land = unrolledLand(feature(world, countries) as unknown as Collection);
  return {
    version: 8,
    transition: { duration: 0, delay: 0 },
    sources: {
      land: source(land),
      borders: source(mesh(world, countries as Parameters<typeof mesh>[1], (a, b) => a !== b)),
      names: source(labels(land)),
      graticule: source(graticule(10)),
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": ink("sea") } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": ink("land") } },
      { id: "graticule", type: "line", source: "graticule", paint: { "line-color": ink("graticule"), "line-width": 0.5 } },
      { id: "coast", type: "line", source: "land", paint: { "line-color": ink("coast"), "line-width": 0.6 } },
      { id: "borders", type: "line", source: "borders", paint: { "line-color": ink("border"), "line-width": 0.8, "line-dasharray": [3, 2] } },
      {
        id: "names",
        type: "symbol",
        source: "names",
        maxzoom: 8,
        filter: ["any", [">", ["get", "size"], 300], [">", ["zoom"], 3]],
        layout: { "text-field": ["get", "name"], "text-size": 11, "text-max-width": 7 },
        paint: { "text-color": ink("name"), "text-halo-color": ink("land"), "text-halo-width": 1 },
      },
    ],
  };
}

/** What changes when light becomes dark: layer, property, colour. */
export const COLOURS = [
  ["sea", "background-color", "sea"],
  ["land", "fill-color", "land"],
  ["graticule", "line-color", "graticule"],
  ["coast", "line-color", "coast"],
  ["borders", "line-color", "border"],
  ["names", "text-color", "name"],
  ["names", "text-halo-color", "land"],
  ["footprints", "fill-color", "accent"],
  ["outlines", "line-color", "accent"],
  ["dots", "circle-color", "accent"],
  ["dots", "circle-stroke-color", "land"],
  ["pointed-fill", "fill-color", "chip"],
  ["pointed", "line-color", "chip"],
  ["chosen", "line-color", "accent"],
  ["chips", "line-color", "chip"],
] as const;
