// The cubes that the catalogue lists, as the page needs them: one small record each.

import type { Taken } from "./filter";
import { ask } from "./service";

/** A cube of the catalogue. */
export interface Listed {
  id: string;
  path: string;
  tile: string;
  sensor: string;
  /** Sorted by time; superseded ones left out. */
  slots: Taken[];
  models: string[];
  bbox: [number, number, number, number];
  geometry: GeoJSON.Geometry;
}

/** A slot as an item tells it. */
interface Told {
  datetime: string;
  item_id: string;
  cloud_cover?: number;
  supersedes?: string;
}

interface Item {
  id: string;
  bbox: number[];
  geometry: GeoJSON.Geometry;
  properties: {
    "cubestore:path": string;
    "cubestore:tile": string;
    "cubestore:sensor": string;
    /** Only cubes have them: embeddings, patch sets and models are items too. */
    "cubestore:models"?: string[];
    "cubestore:slots": Told[];
  };
}

interface Answer {
  features: Item[];
  links: { rel: string; href: string }[];
}

const PROPERTIES = ["path", "tile", "sensor", "models", "slots"];
const FIELDS = ["bbox", "geometry", ...PROPERTIES.map((name) => `properties.cubestore:${name}`)];
const PAGE = 1000;

function slotsOf(told: Told[]): Taken[] {
  const gone = new Set(told.map(({ supersedes }) => supersedes));
  return told
    .filter(({ item_id }) => !gone.has(item_id))
    .map(({ datetime, cloud_cover }) => ({ time: new Date(datetime), cloud: cloud_cover ?? Number.NaN }))
    .sort((a, b) => a.time.getTime() - b.time.getTime());
}

function listed({ id, bbox, geometry, properties }: Item): Listed {
  return {
    id,
    path: properties["cubestore:path"],
    tile: properties["cubestore:tile"],
    sensor: properties["cubestore:sensor"],
    slots: slotsOf(properties["cubestore:slots"]),
    models: properties["cubestore:models"]!,
    bbox: bbox as Listed["bbox"],
    geometry,
  };
}

/** Yield the catalogue's cubes, a page of the API at a time; links may name the service as others reach it. */
export async function* allCubes(): AsyncGenerator<Listed[]> {
  let next: string | undefined = `search?limit=${PAGE}&fields=${FIELDS.join()}`;
  while (next) {
    const answer: Answer = await ask<Answer>(next);
    yield answer.features.filter(({ properties }) => "cubestore:models" in properties).map(listed);
    next = answer.links.find((link) => link.rel === "next")?.href.replace(/^[^?]*/, "search");
  }
}

/** The same pages, of which the first is asked for now. */
export function begun<T>(pages: AsyncGenerator<T>): AsyncGenerator<T> {
  const first = pages.next();
  first.catch(() => undefined); // told to whoever reads on
  return (async function* () {
    const { value, done } = await first;
    if (done) return;
    yield value;
    yield* pages;
  })();
}
