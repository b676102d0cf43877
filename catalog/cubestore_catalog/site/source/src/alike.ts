// The chips that look like the one a place lies in, by an embedding model that the cube has.

import type { Map as MapLibre } from "maplibre-gl";
import type { Cube } from "./cube";
import { byId, el, fail } from "./dom";
import { highlight, showChips } from "./map";
import { type Neighbour, type Neighbours, address, similar } from "./service";

const COUNT = 10;

/** Distances below this are those of a chip to itself. */
const SAME = 1e-6;

const far = (distance: number): string =>
  distance < SAME ? "same" : distance < 0.001 ? "< 0.001" : distance.toFixed(3);

/** The list of chips, their outlines on the map, and the choice of the model. */
export class Alike {
  readonly #model = byId("model") as HTMLSelectElement;

  constructor(
    private readonly map: MapLibre,
    private readonly chosen: (chip: Neighbour, geometry: GeoJSON.Geometry) => void,
    modelChosen: (model: string) => void,
  ) {
    this.#model.addEventListener("change", () => modelChosen(this.#model.value));
  }

  /** Search by one of the cube's models; a cube without any has no list. */
  async ask(
    cube: Cube,
    models: readonly string[],
    model: string,
    [lon, lat]: [number, number],
    signal: AbortSignal,
  ): Promise<void> {
    byId("similar").hidden = models.length === 0;
    if (!models.length) return;
    this.#offer(models, model);
    byId("chips").replaceChildren(el("li", { className: "note" }, "Searching …"));
    const question = { lon: `${lon}`, lat: `${lat}`, k: `${COUNT}`, model, sensor: cube.sensor };
    await similar(question, signal).then((found) => this.#list(found)).catch(fail("chips"));
  }

  forget(): void {
    byId("similar").hidden = true;
    showChips(this.map, null);
  }

  #offer(models: readonly string[], model: string): void {
    byId("by-model").hidden = models.length < 2;
    this.#model.replaceChildren(...models.map((value) => el("option", { value }, value)));
    this.#model.value = model;
  }

  #list(found: Neighbours): void {
    showChips(this.map, found);
    const entries = found.features.map(({ properties, geometry }) => this.#entry(properties, geometry));
    byId("chips").replaceChildren(...entries);
  }

  #entry(chip: Neighbour, geometry: GeoJSON.Geometry): HTMLElement {
    const words = `${chip.tile}, ${chip.datetime.slice(0, 10)}, distance ${far(chip.distance)}`;
    const image = el("img", { src: address(chip.thumbnail.replace(/^\//, "")), alt: "", loading: "lazy", width: 72, height: 72 });
    const caption = el("small", {}, chip.datetime.slice(0, 10), el("br"), far(chip.distance));
    const onclick = () => this.chosen(chip, geometry);
    const button = el("button", { type: "button", "aria-label": words, title: words, onclick }, image, caption);
    button.onpointerenter = button.onfocus = () => highlight(this.map, geometry);
    button.onpointerleave = button.onblur = () => highlight(this.map, null);
    return el("li", {}, button);
  }
}
