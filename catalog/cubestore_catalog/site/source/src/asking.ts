// What the panel says of a place: its series, and the chips that look like the one it lies in.

import type { Map as MapLibre } from "maplibre-gl";
import type { Cube } from "./cube";
import { curvesOf } from "./curves";
import { byId, el } from "./dom";
import { showChips } from "./map";
import { plot } from "./plot";
import { type Neighbour, type Neighbours, type Series, address, series, similar } from "./service";
import type { View } from "./views";

const COUNT = 10;

/** A place of an open cube. */
export class Asking {
  #asking?: AbortController;
  #series?: Series;

  constructor(
    private readonly map: MapLibre,
    private readonly chosen: (chip: Neighbour, geometry: GeoJSON.Geometry) => void,
  ) {}

  /** Ask about a place; an answer that comes too late is dropped. */
  async ask(cube: Cube, models: readonly string[], [lon, lat]: [number, number]): Promise<void> {
    this.forget();
    const { signal } = (this.#asking = new AbortController());
    byId("place").hidden = false;
    byId("place-title").textContent = `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
    byId("series").replaceChildren(el("p", { className: "note" }, "Reading the series …"));
    const asked = series(cube.path, lon, lat, signal);
    await Promise.all([
      asked.then((found) => void (this.#series = found)).catch((error) => this.#fail("series", error)),
      this.#similar(cube, models, lon, lat, signal),
    ]);
  }

  /** Draw the series as the view wants it. */
  draw(cube: Cube, view: View, natural: View, slot: number): void {
    if (!this.#series) return;
    const curves = curvesOf(cube, view, natural, this.#series);
    byId("series").replaceChildren(plot(this.#series, curves, slot));
  }

  forget(): void {
    this.#asking?.abort();
    this.#series = undefined;
    byId("place").hidden = true;
    byId("similar").hidden = true;
    showChips(this.map, null);
  }

  async #similar(cube: Cube, models: readonly string[], lon: number, lat: number, signal: AbortSignal) {
    byId("similar").hidden = models.length === 0;
    if (!models.length) return;
    byId("chips").replaceChildren(el("li", { className: "note" }, "Searching …"));
    const question = { lon: `${lon}`, lat: `${lat}`, k: `${COUNT}`, model: models[0]!, sensor: cube.sensor };
    try {
      this.#list(await similar(question, signal));
    } catch (error) {
      this.#fail("chips", error as Error);
    }
  }

  #list(found: Neighbours): void {
    showChips(this.map, found);
    const entries = found.features.map(({ properties, geometry }) => this.#entry(properties, geometry));
    byId("chips").replaceChildren(...entries);
  }

  #entry(chip: Neighbour, geometry: GeoJSON.Geometry): HTMLElement {
    const words = `${chip.tile}, ${chip.datetime.slice(0, 10)}, distance ${chip.distance.toPrecision(3)}`;
    const image = el("img", { src: address(chip.thumbnail.replace(/^\//, "")), alt: "", loading: "lazy", width: 72, height: 72 });
    const caption = el("small", {}, chip.distance.toPrecision(2));
    const onclick = () => this.chosen(chip, geometry);
    const button = el("button", { type: "button", "aria-label": words, title: words, onclick }, image, caption);
    return el("li", {}, button);
  }

  #fail(id: string, error: Error): void {
    if (error.name === "AbortError") return;
    byId(id).replaceChildren(el(id === "chips" ? "li" : "p", { className: "error", role: "alert" }, error.message));
  }
}
