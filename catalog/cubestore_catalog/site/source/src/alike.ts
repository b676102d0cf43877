// The chips that look like the one a place lies in, by an embedding model that the cube has.

import type { Map as MapLibre } from "maplibre-gl";
import type { Cube, Slot } from "./cube";
import { byId, day, el, fail } from "./dom";
import { highlight, showChips } from "./map";
import { type Neighbour, type Neighbours, ServiceError, similar, thumbnail } from "./service";

const COUNT = 10;

/** Distances below this are those of a chip to itself. */
const SAME = 1e-6;

const far = (distance: number): string =>
  distance < SAME ? "same" : distance < 0.001 ? "< 0.001" : distance.toFixed(3);

/** What is asked: a place of a cube as it is shown, and by which of the cube's models. */
export interface Question {
  cube: Cube;
  slot: Slot;
  place: [lon: number, lat: number];
  models: readonly string[];
  model: string;
}

/** Search with the chip as it was on the day that is shown; where that has no vector, with the latest that has. */
async function search({ cube, slot, place: [lon, lat], model }: Question, signal: AbortSignal): Promise<Neighbours> {
  const asked = { lon: `${lon}`, lat: `${lat}`, k: `${COUNT}`, model, sensor: cube.sensor };
  return similar({ ...asked, time: day(slot.time) }, signal).catch((error: Error) => {
    if (error instanceof ServiceError && error.status === 400) return similar(asked, signal);
    throw error;
  });
}

/** The list of chips, their outlines on the map, and the choice of the model. */
export class Alike {
  readonly #model = byId("model") as HTMLSelectElement;
  #question?: Question;
  #asking = new AbortController();

  constructor(
    private readonly map: MapLibre,
    private readonly chosen: (chip: Neighbour, geometry: GeoJSON.Geometry) => void,
    private readonly modelChosen: (model: string) => void,
  ) {
    this.#model.addEventListener("change", () => this.#by(this.#model.value));
  }

  /** List what is found; a cube without any model has no list. What was asked before is dropped. */
  async ask(question: Question): Promise<void> {
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    const { models, model } = (this.#question = question);
    byId("similar").hidden = models.length === 0;
    if (!models.length) return;
    this.#offer(models, model);
    byId("chips").replaceChildren(el("li", { className: "note" }, "Searching …"));
    await search(question, signal).then((found) => this.#list(found)).catch(fail("chips"));
  }

  forget(): void {
    this.#asking.abort();
    byId("similar").hidden = true;
    showChips(this.map, null);
  }

  /** Ask the same by another model. */
  #by(model: string): void {
    this.modelChosen(model);
    if (this.#question) void this.ask({ ...this.#question, model });
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
    const image = el("img", { src: thumbnail(chip), alt: "", loading: "lazy", width: 72, height: 72 });
    const caption = el("small", {}, chip.datetime.slice(0, 10), el("br"), far(chip.distance));
    const onclick = () => this.chosen(chip, geometry);
    const button = el("button", { type: "button", "aria-label": words, title: words, onclick }, image, caption);
    button.onpointerenter = button.onfocus = () => highlight(this.map, geometry);
    button.onpointerleave = button.onblur = () => highlight(this.map, null);
    return el("li", {}, button);
  }
}
