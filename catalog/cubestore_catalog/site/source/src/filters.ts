// The form of the filters.

import { byId, el } from "./dom";
import { type Filter, between } from "./filter";

/** What the form asks for: everything but the place, which is chosen on the map. */
type Wanted = Omit<Filter, "here">;

const value = (id: string): string => (byId(id) as HTMLInputElement).value;

/** Reads the form. */
export class Filters {
  readonly #form = byId("filters") as HTMLFormElement;
  readonly #sensors = byId("sensors");

  constructor(private readonly wanted: (wanted: Wanted) => void) {
    this.#form.addEventListener("input", () => this.#read());
  }

  /** Offer the sensors of these cubes. */
  offer(sensors: string[]): void {
    const names = [...new Set(sensors)].sort();
    if (names.length === this.#sensors.childElementCount) return;
    this.#sensors.replaceChildren(
      ...names.map((name) => {
        const box = el("input", { type: "checkbox", value: name, defaultChecked: true });
        return el("label", {}, box, el("span", {}, name));
      }),
    );
  }

  reset(): void {
    this.#form.reset();
    this.#label();
  }

  #read(): void {
    const boxes = [...this.#sensors.querySelectorAll("input")];
    const on = boxes.filter((box) => box.checked).map((box) => box.value);
    this.#label();
    this.wanted({
      sensors: on.length === boxes.length ? null : new Set(on),
      ...between(value("from"), value("to")),
      cloud: Number(value("cloud")),
    });
  }

  #label(): void {
    byId("cloud-label").textContent = `${value("cloud")} %`;
  }
}
