// The cubes that the catalogue lists, as the page needs them: one small record each.

import { ask } from "./service";

/** A cube of the catalogue. */
export interface Listed {
  id: string;
  path: string;
  tile: string;
  sensor: string;
  start: string;
  end: string;
  cloud: number | null;
  models: string[];
  bbox: [number, number, number, number];
  geometry: GeoJSON.Geometry;
}

interface Item {
  id: string;
  bbox: number[];
  geometry: GeoJSON.Geometry;
  properties: Record<string, unknown>;
}

interface Answer {
  features: Item[];
  links: { rel: string; href: string }[];
}

const FIELDS = "id,bbox,geometry,properties";
const PAGE = 1000;

function listed({ id, bbox, geometry, properties }: Item): Listed {
  const text = (name: string) => (properties[name] as string | null) ?? "";
  return {
    id,
    path: text("cubestore:path"),
    tile: text("cubestore:tile"),
    sensor: text("cubestore:sensor"),
    start: text("start_datetime") || text("datetime"),
    end: text("end_datetime") || text("datetime"),
    cloud: (properties["eo:cloud_cover"] as number | undefined) ?? null,
    models: (properties["cubestore:models"] as string[] | undefined) ?? [],
    bbox: bbox.length === 6 ? [bbox[0]!, bbox[1]!, bbox[3]!, bbox[4]!] : (bbox as Listed["bbox"]),
    geometry,
  };
}

/** Embeddings and patch sets are items too, but not something that lies on a tile and can be drawn. */
const isCube = (item: Item): boolean =>
  /^(mgrs|sin)\//.test(String(item.properties["cubestore:path"] ?? "")) &&
  !("emb:dimensions" in item.properties) &&
  !/^embeddings-/.test(String((item as { collection?: string }).collection ?? ""));

/** Yield the catalogue's cubes, a page of the API at a time. */
export async function* allCubes(): AsyncGenerator<Listed[]> {
  let next: string | undefined = `search?limit=${PAGE}&fields=${FIELDS},collection`;
  while (next) {
    const answer: Answer = await ask<Answer>(next);
    yield answer.features.filter(isCube).map(listed);
    next = answer.links.find((link) => link.rel === "next")?.href;
  }
}

/** What of the catalogue is shown. */
export interface Filter {
  sensors: ReadonlySet<string> | null;
  from: string;
  to: string;
  cloud: number;
  here: [number, number] | null;
}

export const EVERYTHING: Filter = { sensors: null, from: "", to: "", cloud: 100, here: null };

const within = ([w, s, e, n]: Listed["bbox"], [lon, lat]: [number, number]): boolean =>
  (w <= e ? lon >= w && lon <= e : lon >= w || lon <= e) && lat >= s && lat <= n;

/** Whether a cube passes the filter; one without a cloud cover is not cloudy. */
export function passes(cube: Listed, filter: Filter): boolean {
  return (
    (!filter.sensors || filter.sensors.has(cube.sensor)) &&
    (!filter.from || cube.end.slice(0, 10) >= filter.from) &&
    (!filter.to || cube.start.slice(0, 10) <= filter.to) &&
    (cube.cloud ?? 0) <= filter.cloud &&
    (!filter.here || within(cube.bbox, filter.here))
  );
}
