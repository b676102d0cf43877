// The map: the basemap, the footprints, the chosen cube's outline, the chips that look alike, and the place.
// A footprint too small to be seen is a dot.

import {
  Map as MapLibre,
  Marker,
  NavigationControl,
  ScaleControl,
  type GeoJSONSource,
  setWorkerUrl,
} from "maplibre-gl";
import { COLOURS, basemap, ink } from "./basemap";
import type { Listed } from "./cubes";
import { type Cube, lonLat } from "./cube";
import type { Neighbours } from "./service";
import { address } from "./service";

const NOTHING: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

/** Make the map; what it shows of the store is set later. */
export async function makeMap(container: HTMLElement, at: [number, number, number] | null): Promise<MapLibre> {
  setWorkerUrl(address("browse/map.worker.mjs"));
  const [lon, lat, zoom] = at ?? [10, 30, 1.2];
  const map = new MapLibre({
    container,
    style: await basemap(),
    center: [lon, lat],
    zoom,
    minZoom: 0.5,
    maxZoom: 20,
    renderWorldCopies: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    attributionControl: false,
    fadeDuration: 0,
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new ScaleControl({ unit: "metric" }), "top-left");
  await map.once("style.load");
  addLayers(map);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolour(map));
  return map;
}

/** Add what is drawn over the basemap; what is there already stays. */
export function addLayers(map: MapLibre): void {
  for (const name of ["footprints", "dots", "pointed", "chosen", "chips"])
    if (!map.getSource(name)) map.addSource(name, { type: "geojson", data: NOTHING, tolerance: 0 });
  if (map.getLayer("footprints")) return;
  const accent = ink("accent");
  map.addLayer({ id: "footprints", type: "fill", source: "footprints", paint: { "fill-color": accent, "fill-opacity": 0.12 } });
  map.addLayer({ id: "outlines", type: "line", source: "footprints", paint: { "line-color": accent, "line-width": 1 } });
  map.addLayer({
    id: "dots",
    type: "circle",
    source: "dots",
    filter: [">", ["get", "seen"], ["zoom"]],
    paint: { "circle-color": accent, "circle-radius": 3, "circle-stroke-color": ink("land"), "circle-stroke-width": 1 },
  });
  map.addLayer({ id: "pointed-fill", type: "fill", source: "pointed", paint: { "fill-color": ink("chip"), "fill-opacity": 0.25 } });
  map.addLayer({ id: "pointed", type: "line", source: "pointed", paint: { "line-color": ink("chip"), "line-width": 2.5 } });
  map.addLayer({ id: "chosen", type: "line", source: "chosen", paint: { "line-color": accent, "line-width": 2 } });
  map.addLayer({ id: "chips", type: "line", source: "chips", paint: { "line-color": ink("chip"), "line-width": 2 } });
}

function recolour(map: MapLibre): void {
  for (const [layer, property, name] of COLOURS) map.setPaintProperty(layer, property, ink(name));
}

/** Pixels below which a footprint is a dot, and degrees that one pixel of the whole map at zoom 0 spans. */
const [SMALLEST, DEGREES] = [7, 360 / 512];

/** The middle of a cube's box, with the zoom from which on its footprint is large enough to be seen. */
function dot({ bbox: [west, south, east, north] }: Listed): GeoJSON.Feature {
  const wide = (east - west + 360) % 360;
  const coordinates = [west + wide / 2, (south + north) / 2];
  const seen = Math.log2((SMALLEST * DEGREES) / Math.max(wide, 1e-6));
  return { type: "Feature", geometry: { type: "Point", coordinates }, properties: { seen } };
}

const source = (map: MapLibre, name: string) => map.getSource(name) as GeoJSONSource;

/** Show the footprints of these cubes; once a cube is drawn nothing may tint it. */
export function showFootprints(map: MapLibre, cubes: readonly Listed[], drawn: boolean): void {
  const features = cubes.map(
    ({ geometry, id }): GeoJSON.Feature => ({ type: "Feature", geometry, properties: { id } }),
  );
  source(map, "footprints").setData({ type: "FeatureCollection", features });
  source(map, "dots").setData({ type: "FeatureCollection", features: drawn ? [] : cubes.map(dot) });
  map.setPaintProperty("footprints", "fill-opacity", drawn ? 0 : 0.12);
  map.setPaintProperty("outlines", "line-opacity", drawn ? 0.35 : 1);
}

/** Mark one footprint or chip, or none. */
export function highlight(map: MapLibre, geometry: GeoJSON.Geometry | null): void {
  source(map, "pointed").setData(geometry ?? NOTHING);
}

/** Outline the tile of the cube that is drawn. */
export function outline(map: MapLibre, cube: Cube | null): void {
  if (!cube) return void source(map, "chosen").setData(NOTHING);
  const steps = Array.from({ length: 33 }, (_, i) => i / 32);
  const { rows, columns } = cube;
  const ring = [
    ...steps.map((t) => lonLat(cube, 0, t * columns)),
    ...steps.map((t) => lonLat(cube, t * rows, columns)),
    ...steps.map((t) => lonLat(cube, rows, (1 - t) * columns)),
    ...steps.map((t) => lonLat(cube, (1 - t) * rows, 0)),
  ];
  source(map, "chosen").setData({ type: "LineString", coordinates: ring });
}

export function showChips(map: MapLibre, chips: Neighbours | null): void {
  source(map, "chips").setData(chips ?? NOTHING);
}

/** A mark where the reader asked. */
export class Place {
  readonly #marker: Marker;

  constructor(private readonly map: MapLibre) {
    const element = document.createElement("div");
    element.className = "place";
    this.#marker = new Marker({ element });
  }

  set(at: [number, number] | null): void {
    if (at) this.#marker.setLngLat(at).addTo(this.map);
    else this.#marker.remove();
  }
}
