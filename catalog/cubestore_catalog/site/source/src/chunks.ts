// What of a cube is drawn from its Zarr: the chunks in view, which workers read and paint.

import { type Box, type Cube, isEmpty } from "./cube";
import { PixelLayer } from "./layer";
import { mesh } from "./mesh";
import type { Result } from "./pixels.worker";
import { Pool, type Wish } from "./pool";
import type { Shown, Tell } from "./scene";

export type Chunk = [row: number, column: number];

/** The chunks of a cube that a box touches. */
export function chunksOf({ chunk }: Cube, box: Box): Chunk[] {
  const found: Chunk[] = [];
  if (isEmpty(box)) return found;
  for (let row = Math.floor(box.top / chunk); row * chunk < box.bottom; row++)
    for (let column = Math.floor(box.left / chunk); column * chunk < box.right; column++)
      found.push([row, column]);
  return found;
}

/** What a chunk shows, so that it is drawn anew only when that changes. */
const stampOf = ({ slot, view }: Shown): string => `${slot.index}/${view.id}/${view.recipe!.ranges.join()}`;

/** From the middle of the view outwards. */
function outwards(todo: Chunk[], wanted: Chunk[]): Chunk[] {
  const [middleRow, middleColumn] = wanted[wanted.length >> 1] ?? [0, 0];
  const far = ([row, column]: Chunk) => (row - middleRow) ** 2 + (column - middleColumn) ** 2;
  return todo.toSorted((a, b) => far(a) - far(b));
}

const wishFor = ({ cube, slot, view }: Shown, [row, column]: Chunk): Wish => ({
  path: cube.path,
  name: cube.variable,
  metadata: cube.metadata,
  slot: slot.index,
  row,
  column,
  recipe: view.recipe!,
});

/** Draws chunks; those that are drawn already stay. */
export class Chunks {
  readonly layer = new PixelLayer("pixels");
  readonly #pool = new Pool();
  #run = 0;

  constructor(private readonly tell: Tell) {}

  /** Draw the chunks that are wanted and no others; `done` is called when all are there. */
  draw(shown: Shown, wanted: Chunk[], done: () => void): void {
    const [run, stamp] = [++this.#run, stampOf(shown)];
    this.#keep(wanted);
    const todo = wanted.filter((at) => this.layer.stamps.get(at.join()) !== stamp);
    let [missing, error] = [todo.length, ""];
    const settle = () => {
      if (missing === 0 && !error) done();
      const state = missing ? "loading" : error ? "error" : "ready";
      this.tell({ from: "zarr", state, chunks: wanted.length, missing, error });
    };
    const wishes = outwards(todo, wanted).map((at) => wishFor(shown, at));
    this.#pool.want(wishes, (result, { row, column }) => {
      if (run !== this.#run) return;
      missing--;
      error ||= result.error ?? "";
      this.#place(shown.cube, [row, column], stamp, result);
      settle();
    });
    settle();
  }

  /** Draw nothing more of what was wanted. */
  stop(): void {
    this.#run++;
    this.#pool.want([], () => undefined);
  }

  clear(): void {
    this.stop();
    this.layer.remove(this.layer.keys());
  }

  #keep(wanted: Chunk[]): void {
    const keep = new Set(wanted.map((at) => at.join()));
    this.layer.remove(this.layer.keys().filter((key) => !keep.has(key)));
  }

  #place(cube: Cube, [row, column]: Chunk, stamp: string, { rgba, error }: Result): void {
    const key = [row, column].join();
    const side = cube.chunk;
    const [top, left] = [row * side, column * side];
    const box = { top, left, bottom: top + side, right: left + side };
    if (rgba) this.layer.put(key, mesh(cube, box, this.layer.anchor), { rgba, width: side, height: side });
    else this.layer.remove([key]);
    if (!error) this.layer.stamps.set(key, stamp);
  }
}
