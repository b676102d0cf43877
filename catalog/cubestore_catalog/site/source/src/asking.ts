// What the panel says of a place: where it is, and its series.

import type { Cube } from "./cube";
import { curvesOf } from "./curves";
import { byId, el, fail } from "./dom";
import { plot } from "./plot";
import { type Series, series } from "./service";
import type { View } from "./views";

/** A place of an open cube. */
export class Asking {
  #series?: Series;

  /** Ask for the series of a place; an answer that comes too late is dropped. */
  async ask(cube: Cube, [lon, lat]: [number, number], signal: AbortSignal): Promise<void> {
    this.#series = undefined;
    byId("place").hidden = false;
    byId("place-title").textContent = `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
    byId("series").replaceChildren(el("p", { className: "note" }, "Reading the series …"));
    const keep = (found: Series) => void (this.#series = found);
    await series(cube.path, lon, lat, signal).then(keep).catch(fail("series"));
  }

  /** Draw the series as the view wants it. */
  draw(cube: Cube, view: View, natural: View, slot: number): void {
    if (!this.#series) return;
    const curves = curvesOf(cube, view, natural, this.#series);
    byId("series").replaceChildren(plot(this.#series, curves, slot));
  }

  forget(): void {
    this.#series = undefined;
    byId("place").hidden = true;
  }
}
