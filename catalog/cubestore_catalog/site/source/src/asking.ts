// What the panel says of a place: where it is, and its series.

import { WORLDCOVER } from "./colour";
import type { Cube } from "./cube";
import { curvesOf } from "./curves";
import { byId, el, fail } from "./dom";
import { plot, table } from "./plot";
import { type Series, series } from "./service";
import type { View } from "./views";

const CLASSES = new Map(WORLDCOVER.map(([value, , name]) => [value, name]));

/** What the numbers of a view are, with their unit where they have one. */
function titleOf({ variable, units }: Cube, { recipe }: View): string {
  if (recipe?.kind === "difference") return "NDVI";
  return variable.replace("_", " ") + (units && units !== "1" ? `, ${units}` : "");
}

const degrees = (value: number, letters: string): string =>
  `${Math.abs(value).toFixed(5)}° ${letters[value < 0 ? 1 : 0]}`;

/** A place of an open cube. */
export class Asking {
  #series?: Series;

  /** `chosen` is told of a slot that the reader chose in the series. */
  constructor(private readonly chosen: (slot: number) => void) {}

  /** Ask for the series of a place; an answer that comes too late is dropped. */
  async ask(cube: Cube, [lon, lat]: [number, number], signal: AbortSignal): Promise<void> {
    this.#series = undefined;
    byId("place").hidden = false;
    byId("place-title").textContent = `${degrees(lat, "NS")}, ${degrees(lon, "EW")}`;
    byId("series").replaceChildren(el("p", { className: "note" }, "Reading the series …"));
    const keep = (found: Series) => void (this.#series = found);
    await series(cube.path, lon, lat, signal).then(keep).catch(fail("series"));
  }

  /** Draw the series as the view wants it. */
  draw(cube: Cube, view: View, natural: View, slot: number): void {
    if (!this.#series) return;
    const series = this.#series;
    const curves = curvesOf(cube, view, natural, series);
    const inside = byId("series").contains(document.activeElement);
    const classes = (view.recipe ?? natural.recipe)?.kind === "classes";
    const drawing = { series, curves, slot, title: titleOf(cube, view), choose: this.chosen };
    const drawn = classes ? table(series, curves, (value) => CLASSES.get(value) ?? String(value)) : plot(drawing);
    byId("series").replaceChildren(drawn);
    if (inside) byId("series").querySelector<HTMLElement>("[role=slider]")?.focus();
  }

  forget(): void {
    this.#series = undefined;
    byId("place").hidden = true;
  }
}
