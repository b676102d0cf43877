// The slots of a cube: a slider in steps of one slot, above it how clear each was and when.

import type { Slot } from "./cube";
import { byId, day, el, minute } from "./dom";

/** Slots that are drawn as bars of their own; with more of them the bars would be thinner than a pixel. */
const MOST_BARS = 400;

const cloudiness = ({ cloud }: Slot): string =>
  Number.isFinite(cloud) ? `${Math.round(cloud)} % cloud` : "cloud unknown";

/** The bar at the map's foot. */
export class Timeline {
  #slots: Slot[] = [];
  readonly #bar = byId("timeline");
  readonly #range = byId("slot") as HTMLInputElement;
  readonly #label = byId("slot-label");
  readonly #bars = byId("bars");

  constructor(chosen: (slot: Slot) => void) {
    const choose = (at: number) => {
      const slot = this.#slots[at];
      if (!slot) return;
      this.#mark(at);
      chosen(slot);
    };
    this.#range.addEventListener("input", () => choose(this.#range.valueAsNumber));
    byId("earlier").addEventListener("click", () => choose(this.#range.valueAsNumber - 1));
    byId("later").addEventListener("click", () => choose(this.#range.valueAsNumber + 1));
  }

  show(slots: Slot[], slot: Slot): void {
    if (slots !== this.#slots) this.#fill(slots);
    this.#bar.hidden = false;
    this.#mark(slots.indexOf(slot));
  }

  hide(): void {
    this.#bar.hidden = true;
  }

  #fill(slots: Slot[]): void {
    this.#slots = slots;
    this.#range.max = String(slots.length - 1);
    byId("first").textContent = slots[0] ? day(slots[0].time) : "";
    byId("last").textContent = slots.length > 1 ? day(slots.at(-1)!.time) : "";
    const bars = slots.length > MOST_BARS ? [] : slots;
    this.#bars.replaceChildren(
      ...bars.map(({ cloud }) => el("i", { style: `--clear:${Number.isFinite(cloud) ? 100 - cloud : 100}%` })),
    );
  }

  #mark(at: number): void {
    const slot = this.#slots[at];
    if (!slot) return;
    this.#range.valueAsNumber = at;
    const words = `${minute(slot.time)} · ${cloudiness(slot)}`;
    this.#label.replaceChildren(el("b", {}, minute(slot.time)), ` ${cloudiness(slot)}`);
    this.#label.title = slot.item;
    this.#range.setAttribute("aria-valuetext", `${words}, ${at + 1} of ${this.#slots.length}`);
    for (const [i, bar] of [...this.#bars.children].entries()) bar.classList.toggle("on", i === at);
    (byId("earlier") as HTMLButtonElement).disabled = at === 0;
    (byId("later") as HTMLButtonElement).disabled = at === this.#slots.length - 1;
  }
}
