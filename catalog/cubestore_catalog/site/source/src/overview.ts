// What the service draws of a cube: its pictures of a slot, and of a slot's embeddings.

import { boxOf } from "./cube";
import { PixelLayer } from "./layer";
import { mesh } from "./mesh";
import type { Shown, Tell } from "./scene";
import { type Placed, ask, picture } from "./service";
import { pictureOf } from "./views";

/** Draws one picture; what was there stays until the new is there. */
export class Overview {
  readonly layer = new PixelLayer("picture");
  #asking?: AbortController;
  #drawn = "";

  constructor(private readonly tell: Tell) {}

  /** Draw the picture of what is shown; `done` is called when it is there. */
  async draw(shown: Shown, done: () => void): Promise<void> {
    const { path, query } = pictureOf(shown.cube, shown.slot.index, shown.view);
    this.stop();
    const { signal } = (this.#asking = new AbortController());
    try {
      if (this.#drawn !== path + query) await this.#fetch(shown, path, query, signal);
      if (signal.aborted) return;
      done();
      this.#tell(shown, "ready");
    } catch (error) {
      if (!signal.aborted) this.#tell(shown, "error", (error as Error).message);
    }
  }

  /** Wait no longer for a picture. */
  stop(): void {
    this.#asking?.abort();
  }

  clear(): void {
    this.stop();
    this.#drawn = "";
    this.layer.remove(this.layer.keys());
  }

  async #fetch(shown: Shown, path: string, query: string, signal: AbortSignal): Promise<void> {
    this.#tell(shown, "loading");
    const [{ corners }, bitmap] = await Promise.all([
      ask<Placed>(`${path}.json${query}`, signal),
      picture(`${path}.png${query}`, signal),
    ]);
    if (signal.aborted) return;
    // The last chips reach beyond the tile, and their picture with them.
    this.layer.put("picture", mesh(shown.cube, boxOf(shown.cube, corners), this.layer.anchor), bitmap);
    this.#drawn = path + query;
  }

  #tell({ view }: Shown, state: "loading" | "ready" | "error", error = ""): void {
    this.tell({ from: view.model ? "embedding" : "picture", state, chunks: 0, missing: 0, error });
  }
}
