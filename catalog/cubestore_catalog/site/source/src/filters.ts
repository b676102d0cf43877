// The form of the filters.

import { byId, el } from "./dom";
import { type Filter, between } from "./filter";

/** What the form asks for: everything but the place, which is chosen on the map. */
type Wanted = Omit<Filter, "here">;

const value = (id: string): string => (byId(id) as HTMLInputElement).value;

function sensor(name: string, count: number, checked: boolean): HTMLElement {
  const box = el("input", { type: "checkbox", value: name, checked });
  return el("label", {}, box, el("span", {}, name, el("small", {}, ` ${count}`)));
}

/** Reads the form. */
export class Filters {
  readonly #form = byId("filters") as HTMLFormElement;
  readonly #sensors = byId("sensors");

  constructor(private readonly wanted: (wanted: Wanted) => void) {
    this.#form.addEventListener("input", () => this.#read());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Offer the sensors of these cubes, with how many each has. */
  offer(sensors: string[]): void {
    const counts = new Map<string, number>();
    for (const name of sensors) counts.set(name, (counts.get(name) ?? 0) + 1);
    const on = this.#checked();
    const entries = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#sensors.replaceChildren(...entries.map(([name, count]) => sensor(name, count, on.has(name))));
  }

  reset(): void {
    this.#form.reset();
    this.#label();
  }

  #read(): void {
    const on = this.#checked();
    this.#label();
    this.wanted({
      tile: value("tile").trim().toUpperCase(),
      sensors: on.size ? on : null,
      ...between(value("from"), value("to")),
      cloud: Number(value("cloud")),
    });
  }

  /** The sensors that are chosen; none is as good as all. */
  #checked(): Set<string> {
    const boxes = this.#sensors.querySelectorAll<HTMLInputElement>("input:checked");
    return new Set([...boxes].map((box) => box.value));
  }

  #label(): void {
    byId("cloud-label").textContent = `${value("cloud")} %`;
  }
}
