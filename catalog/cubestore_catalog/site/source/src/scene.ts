// What of a cube is drawn: from its Zarr where few enough chunks are in view, else the service's picture of it.

import type { Map as MapLibre } from "maplibre-gl";
import { type Box, type Cube, type Slot, boxAround, isEmpty, overlap } from "./cube";
import { PixelLayer } from "./layer";
import { anchor, mesh } from "./mesh";
import type { Result } from "./pixels.worker";
import { Pool } from "./pool";
import type { Point } from "./projection";
import { type Placed, ask, picture } from "./service";
import { type View, pictureOf } from "./views";

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

interface Shown {
  cube: Cube;
  slot: Slot;
  view: View;
  /** The part of the tile that has data. */
  part: Box;
}

type Chunk = [row: number, column: number];

const whole = ({ rows, columns }: Cube): Box => ({ top: 0, left: 0, bottom: rows, right: columns });

function chunksOf({ chunk }: Cube, box: Box): Chunk[] {
  const found: Chunk[] = [];
  if (isEmpty(box)) return found;
  for (let row = Math.floor(box.top / chunk); row * chunk < box.bottom; row++)
    for (let column = Math.floor(box.left / chunk); column * chunk < box.right; column++)
      found.push([row, column]);
  return found;
}

/** Draws one slot of one cube on the map. */
export class Scene {
  readonly #pixels = new PixelLayer("pixels");
  readonly #picture = new PixelLayer("picture");
  readonly #pool = new Pool();
  #shown?: Shown;
  #run = 0;
  #asking?: AbortController;
  #pictured = "";

  constructor(
    private readonly map: MapLibre,
    private readonly tell: (progress: Progress) => void,
  ) {}

  /** Lie down on the map, below the layer that is named. */
  attach(below: string): void {
    this.map.addLayer(this.#picture, below);
    this.map.addLayer(this.#pixels, below);
    this.map.on("moveend", () => this.#draw());
  }

  /** Draw a slot; what was there stays until the new is there. */
  async show(cube: Cube, slot: Slot, view: View): Promise<void> {
    if (this.#shown?.cube !== cube) this.#clear(cube);
    const run = ++this.#run;
    this.#tell("loading", 0, 0);
    const part = await this.partOf(cube, slot);
    if (run !== this.#run) return;
    this.#shown = { cube, slot, view, part };
    this.#pictured = "";
    this.#draw();
  }

  hide(): void {
    this.#run++;
    this.#shown = undefined;
    this.#pool.want([], () => undefined);
    this.#asking?.abort();
    for (const layer of [this.#pixels, this.#picture]) layer.remove(layer.keys());
  }

  /** The part of the tile that is in view and has data. */
  inView(): Box | undefined {
    if (!this.#shown) return undefined;
    const { cube, part } = this.#shown;
    return overlap(boxAround(cube, this.#screen()), part);
  }

  #clear(cube: Cube): void {
    this.hide();
    this.#pixels.anchor = this.#picture.anchor = anchor(cube);
  }

  /** Where a slot has data, which the service knows; without its word, anywhere. */
  async partOf(cube: Cube, slot: Slot): Promise<Box> {
    const placed = await ask<Placed>(`quicklook/${cube.path}/${slot.index}.json`).catch(() => null);
    return placed ? boxAround(cube, placed.corners) : whole(cube);
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
    if (shown.view.model) void this.#drawPicture("embedding");
    else if (wanted.length > MOST_CHUNKS) void this.#drawPicture("picture");
    else this.#drawChunks(shown, wanted);
  }

  #drawChunks({ cube, slot, view }: Shown, wanted: Chunk[]): void {
    const run = ++this.#run;
    const [middleRow, middleColumn] = wanted[wanted.length >> 1] ?? [0, 0];
    const far = ([row, column]: Chunk) => (row - middleRow) ** 2 + (column - middleColumn) ** 2;
    const stamp = `${slot.index}/${view.id}/${view.recipe!.ranges.join()}`;
    const keep = new Set(wanted.map((at) => at.join()));
    this.#pixels.remove(this.#pixels.keys().filter((key) => !keep.has(key)));
    const todo = wanted.filter((at) => this.#pixels.stamps.get(at.join()) !== stamp);
    let [missing, error] = [todo.length, ""];
    const settle = () => {
      if (missing === 0 && !error) this.#picture.remove(this.#picture.keys());
      const state = missing ? "loading" : error ? "error" : "ready";
      this.#tell(state, wanted.length, missing, error);
    };
    const wishes = todo
      .toSorted((a, b) => far(a) - far(b))
      .map(([row, column]) => ({
        path: cube.path,
        name: cube.variable,
        metadata: cube.metadata,
        slot: slot.index,
        row,
        column,
        recipe: view.recipe!,
      }));
    this.#pool.want(wishes, (result, { row, column }) => {
      if (run !== this.#run) return;
      missing--;
      if (result.error) error = result.error;
      else this.#place(cube, [row, column], stamp, result);
      settle();
    });
    settle();
  }

  #place(cube: Cube, [row, column]: Chunk, stamp: string, { rgba }: Result): void {
    const key = [row, column].join();
    const side = cube.chunk;
    const [top, left] = [row * side, column * side];
    const box = { top, left, bottom: top + side, right: left + side };
    if (rgba) {
      const triangles = mesh(cube, box, this.#pixels.anchor);
      this.#pixels.put(key, triangles, { rgba, width: side, height: side });
    } else this.#pixels.remove([key]);
    this.#pixels.stamps.set(key, stamp);
  }

  async #drawPicture(from: "picture" | "embedding"): Promise<void> {
    const { cube, slot, view } = this.#shown!;
    const run = ++this.#run;
    const { path, query } = pictureOf(cube, slot.index, view);
    this.#pool.want([], () => undefined);
    if (this.#pictured === path + query) {
      this.#pixels.remove(this.#pixels.keys());
      return this.#tell("ready", 0, 0, "", from);
    }
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    this.#tell("loading", 0, 0, "", from);
    try {
      const [placed, bitmap] = await Promise.all([
        ask<Placed>(`${path}.json${query}`, signal),
        picture(`${path}.png${query}`, signal),
      ]);
      if (run !== this.#run) return;
      const triangles = mesh(cube, boxAround(cube, placed.corners), this.#picture.anchor);
      this.#picture.put("picture", triangles, bitmap);
      this.#pixels.remove(this.#pixels.keys());
      this.#pictured = path + query;
      this.#tell("ready", 0, 0, "", from);
    } catch (error) {
      if (!signal.aborted) this.#tell("error", 0, 0, (error as Error).message, from);
    }
  }

  #tell(
    state: Progress["state"],
    chunks: number,
    missing: number,
    error = "",
    from: Progress["from"] = "zarr",
  ): void {
    this.tell({ from, state, chunks, missing, error });
  }
}
