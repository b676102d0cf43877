// What of a cube is drawn: from its Zarr where few enough chunks are in view, else the service's picture of it.

import type { Map as MapLibre } from "maplibre-gl";
import { Chunks, chunksOf } from "./chunks";
import { type Box, type Cube, type Slot, boxAround, overlap, whole } from "./cube";
import { anchor } from "./mesh";
import { Overview } from "./overview";
import type { Point } from "./projection";
import { type Placed, ask } from "./service";
import type { View } from "./views";

/** More chunks than this are not read: at 10 m that is some 20 x 20 km. */
const MOST_CHUNKS = 240;

/** How far the drawing is. */
export interface Progress {
  from: "zarr" | "picture" | "embedding";
  state: "loading" | "ready" | "error";
  chunks: number;
  missing: number;
  error: string;
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

/** Where a slot has data, which the service knows; without its word, anywhere. */
export async function partOf(cube: Cube, slot: Slot): Promise<Box> {
  const placed = await ask<Placed>(`quicklook/${cube.path}/${slot.index}.json`).catch(() => null);
  return placed ? boxAround(cube, placed.corners) : whole(cube);
}

/** Draws one slot of one cube on the map. */
export class Scene {
  readonly #chunks: Chunks;
  readonly #overview: Overview;
  #shown?: Shown;
  #run = 0;

  constructor(
    private readonly map: MapLibre,
    private readonly tell: Tell,
  ) {
    this.#chunks = new Chunks(tell);
    this.#overview = new Overview(tell);
  }

  /** Lie down on the map, below the layer that is named. */
  attach(below: string): void {
    this.map.addLayer(this.#overview.layer, below);
    this.map.addLayer(this.#chunks.layer, below);
    this.map.on("moveend", () => this.#draw());
  }

  /** Draw a slot; what was there stays until the new is there. */
  async show(cube: Cube, slot: Slot, view: View): Promise<void> {
    if (this.#shown?.cube !== cube) this.#begin(cube);
    const run = ++this.#run;
    this.tell({ from: "zarr", state: "loading", chunks: 0, missing: 0, error: "" });
    const part = await partOf(cube, slot);
    if (run !== this.#run) return;
    this.#shown = { cube, slot, view, part };
    this.#draw();
  }

  hide(): void {
    this.#run++;
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
    const wanted = chunksOf(shown.cube, this.inView()!);
    if (shown.view.model || wanted.length > MOST_CHUNKS) {
      this.#chunks.stop();
      void this.#overview.draw(shown, () => this.#chunks.clear());
    } else {
      this.#overview.stop();
      this.#chunks.draw(shown, wanted, () => this.#overview.clear());
    }
  }
}
