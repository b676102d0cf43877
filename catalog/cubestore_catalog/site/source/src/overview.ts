// What the service draws of a cube: its pictures of a slot, or of the part in view, and of a slot's embeddings.

import { type Box, type Cube, boxOfWindow, holds, overlap } from "./cube";
import { PixelLayer } from "./layer";
import { mesh } from "./mesh";
import type { Shown, Tell } from "./scene";
import { ServiceError, picture } from "./service";
import { pictureOf } from "./views";

/** Pixels along the longer side that the service is asked for; the last is the most that it draws. */
const SIZES = [512, 1024, 1536, 2048];

/** A picture may be so much coarser than the screen before a finer one is asked for. */
const COARSER = 1.5;

/** What is looked at: of the slot's data, how much is in view, and how many of its pixels a pixel of the screen spans. */
export interface Sight {
  box: Box;
  scale: number;
}

/** What a picture shows: which way of looking at which slot, how much of it, how finely. */
interface Drawn extends Sight {
  what: string;
}

const sides = ({ top, left, bottom, right }: Box): number => Math.max(bottom - top, right - left);

/** A box and a quarter more on each side, in whole chunks: the map can be moved a little without asking anew. */
function around({ chunk }: Cube, box: Box): Box {
  const more = sides(box) / 4;
  const down = (at: number) => Math.max(Math.floor((at - more) / chunk), 0) * chunk;
  const up = (at: number) => Math.ceil((at + more) / chunk) * chunk;
  return { top: down(box.top), left: down(box.left), bottom: up(box.bottom), right: up(box.right) };
}

/** Draws one picture; what was there stays until the new is there. */
export class Overview {
  readonly layer = new PixelLayer("picture");
  #asking?: AbortController;
  #drawn?: Drawn;

  constructor(private readonly tell: Tell) {}

  /** Draw the picture of what is shown; `done` is called when it is there. */
  async draw(shown: Shown, sight: Sight, done: () => void): Promise<void> {
    this.stop();
    const { signal } = (this.#asking = new AbortController());
    try {
      if (!this.#isDrawn(shown, sight)) await this.#fetch(shown, sight, signal);
      if (signal.aborted) return;
      done();
      this.#tell(shown, "ready");
    } catch (error) {
      if (!signal.aborted) this.#fail(shown, error as Error);
    }
  }

  /** Wait no longer for a picture. */
  stop(): void {
    this.#asking?.abort();
  }

  /** What was drawn is lost. */
  forget(): void {
    this.stop();
    this.#drawn = undefined;
  }

  clear(): void {
    this.forget();
    this.layer.remove(this.layer.keys());
  }

  #isDrawn(shown: Shown, { box, scale }: Sight): boolean {
    const drawn = this.#drawn;
    if (drawn?.what !== whatOf(shown)) return false;
    return holds(drawn.box, box) && drawn.scale <= Math.max(scale, 1) * COARSER;
  }

  /** Ask for all of the slot where the service can draw it as finely as the screen; else for what is around the view. */
  async #fetch(shown: Shown, { box, scale }: Sight, signal: AbortSignal): Promise<void> {
    this.#tell(shown, "loading");
    const { cube, part } = shown;
    const finest = Math.max(scale, 1);
    const fits = sides(part) / finest <= SIZES.at(-1)!;
    const asked = fits ? part : overlap(around(cube, box), part);
    const size = SIZES.find((one) => sides(asked) / finest <= one) ?? SIZES.at(-1)!;
    const { path, query } = pictureOf(cube, shown.slot.index, shown.view, { size, box: fits ? undefined : asked });
    const { bitmap, window } = await picture(`${path}.png?${query}`, signal);
    if (signal.aborted) return;
    // The last chips reach beyond the tile, and their picture with them.
    this.layer.put("picture", mesh(cube, boxOfWindow(window), this.layer.anchor), bitmap);
    const drawn = shown.view.model ? 0 : Math.max(sides(asked) / size, 1);
    this.#drawn = { what: whatOf(shown), box: asked, scale: drawn };
  }

  /** What was there is of something else by now; that a window has no data is no fault. */
  #fail(shown: Shown, error: Error): void {
    this.clear();
    const empty = error instanceof ServiceError && error.status === 404 && !shown.view.model;
    this.#tell(shown, empty ? "ready" : "error", empty ? "" : error.message);
  }

  #tell({ view }: Shown, state: "loading" | "ready" | "error", error = ""): void {
    this.tell({ from: view.model ? "embedding" : "picture", state, chunks: 0, missing: 0, error });
  }
}

/** What tells a picture from others but for its part and size. */
function whatOf({ cube, slot, view }: Shown): string {
  const { path, query } = pictureOf(cube, slot.index, view, { size: 0 });
  return `${path}?${query}`;
}
