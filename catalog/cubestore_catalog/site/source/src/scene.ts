// What of a cube is drawn: from its Zarr where few enough chunks are in view, else the service's picture of it.

import type { Map as MapLibre } from "maplibre-gl";
import { Chunks, chunksOf } from "./chunks";
import { type Box, type Cube, type Slot, boxAround, boxOfWindow, overlap, whole } from "./cube";
import { anchor } from "./mesh";
import { Overview, type Sight } from "./overview";
import type { Point } from "./projection";
import { type Placed, ServiceError, ask } from "./service";
import { type View, isOffered } from "./views";

/** More chunks than this are not read, nor more bytes, counted decoded: ten bands of Sentinel-2 on 14 x 14 km. */
const [MOST_CHUNKS, MOST_BYTES] = [240, 40e6];

/** A slot that is shown so soon after another is one that a slider passes over: milliseconds, as the pause before it. */
const [HURRIED, PAUSE] = [250, 120];

/** Metres around the Earth at the equator, and pixels of the whole map at zoom 0 (MapLibre). */
const [EQUATOR, WORLD] = [40_075_016.686, 512];

/** How far the drawing is. */
export interface Progress {
  from: "zarr" | "picture" | "embedding";
  state: "loading" | "ready" | "error";
  chunks: number;
  missing: number;
  error: string;
  /** What there is to say where nothing can be drawn. */
  note?: string;
}

export type Tell = (progress: Progress) => void;

/** What is drawn. */
export interface Shown {
  cube: Cube;
  slot: Slot;
  view: View;
  /** The part of the tile that has data. */
  part: Box;
}

/** Parts that are known, by slot; a cube that was committed to since is opened as another. */
const known = new WeakMap<Cube, Map<number, Box>>();

/** Where a slot has data, which the service is asked for once. */
export async function partOf(cube: Cube, slot: Slot, signal?: AbortSignal): Promise<Box> {
  if (!known.has(cube)) known.set(cube, new Map());
  const parts = known.get(cube)!;
  const found = parts.get(slot.index) ?? (await askPart(cube, slot, signal));
  parts.set(slot.index, found);
  return found;
}

/** Where a slot has data, as the service says; anywhere, if it finds none. */
async function askPart(cube: Cube, slot: Slot, signal?: AbortSignal): Promise<Box> {
  const nothing = (error: Error) => {
    if (error instanceof ServiceError && error.status) return null;
    throw error;
  };
  const placed = await ask<Placed>(`quicklook/${cube.path}/${slot.index}.json`, signal).catch(nothing);
  return placed ? boxOfWindow(placed.window) : whole(cube);
}

const pause = (time: number) => new Promise((done) => setTimeout(done, time));

/** Draws one slot of one cube on the map. */
export class Scene {
  readonly #chunks: Chunks;
  readonly #overview: Overview;
  #shown?: Shown;
  #asking = new AbortController();
  #last = -Infinity;

  constructor(
    private readonly map: MapLibre,
    private readonly tell: Tell,
  ) {
    this.#chunks = new Chunks(tell);
    this.#overview = new Overview(tell);
    map.on("moveend", () => this.#draw());
  }

  /** Lie down on the map, below the layer that is named; again where its graphics were lost, with all that was drawn. */
  attach(below: string): void {
    this.#overview.forget();
    this.map.addLayer(this.#overview.layer, below);
    this.map.addLayer(this.#chunks.layer, below);
    this.#draw();
  }

  /** Draw a slot; what was there stays until the new is there. */
  async show(cube: Cube, slot: Slot, view: View): Promise<void> {
    if (this.#shown?.cube !== cube) this.#begin(cube);
    const { signal } = this.#anew();
    this.tell({ from: "zarr", state: "loading", chunks: 0, missing: 0, error: "" });
    if (performance.now() - this.#last < HURRIED) await pause(PAUSE);
    if (signal.aborted) return;
    this.#last = performance.now();
    const part = await partOf(cube, slot, signal).catch((error: Error) => signal.aborted || this.#fail(error));
    if (signal.aborted || typeof part !== "object") return;
    this.#shown = { cube, slot, view, part };
    this.#draw();
  }

  hide(): void {
    this.#asking.abort();
    this.#shown = undefined;
    this.#chunks.clear();
    this.#overview.clear();
  }

  /** The part of the tile that is in view and has data. */
  inView(): Box | undefined {
    if (!this.#shown) return undefined;
    const { cube, part } = this.#shown;
    return overlap(boxAround(cube, this.#screen()), part);
  }

  /** What is still drawn is of another slot: nothing is better. */
  #fail({ message }: Error): void {
    this.hide();
    this.tell({ from: "zarr", state: "error", chunks: 0, missing: 0, error: message });
  }

  /** What was asked for until now is asked for no longer. */
  #anew(): AbortController {
    this.#asking.abort();
    return (this.#asking = new AbortController());
  }

  #begin(cube: Cube): void {
    this.hide();
    this.#chunks.layer.anchor = this.#overview.layer.anchor = anchor(cube);
  }

  /** The edge of the screen on the Earth, at more than its corners: on a tile its lines are curved. */
  #screen(): Point[] {
    const { clientWidth: width, clientHeight: height } = this.map.getCanvas();
    const steps = [0, 0.25, 0.5, 0.75, 1];
    return steps.flatMap((u) =>
      steps.map((v): Point => this.map.unproject([u * width, v * height]).toArray()),
    );
  }

  #draw(): void {
    const shown = this.#shown;
    if (!shown) return;
    if (!isOffered(shown.cube, shown.view, shown.slot)) return this.#tellNone(shown.view);
    const wanted = chunksOf(shown.cube, this.inView()!);
    const bytes = wanted.length * shown.cube.chunkBytes;
    if (shown.view.model || wanted.length > MOST_CHUNKS || bytes > MOST_BYTES) {
      this.#chunks.stop();
      void this.#overview.draw(shown, this.#sight(shown.cube), () => this.#chunks.clear());
    } else {
      this.#overview.stop();
      this.#chunks.draw(shown, wanted, () => this.#overview.clear());
    }
  }

  #sight({ pixel }: Cube): Sight {
    const latitude = (this.map.getCenter().lat * Math.PI) / 180;
    const metres = (EQUATOR * Math.cos(latitude)) / (WORLD * 2 ** this.map.getZoom());
    return { box: this.inView()!, scale: metres / pixel };
  }

  #tellNone({ model }: View): void {
    this.#chunks.clear();
    this.#overview.clear();
    const note = `No embeddings of ${model} were computed for this slot: choose another slot, or another view.`;
    this.tell({ from: "embedding", state: "ready", chunks: 0, missing: 0, error: "", note });
  }
}
