// The slots of a cube: a slider in steps of one slot, above it how clear each was and when. Slots that the
// filters leave out, or for which the view was not computed, are grey and stepped over.

import type { Slot } from "./cube";
import { byId, day, el, minute } from "./dom";

/** Slots that are drawn as bars of their own; with more of them the bars would be thinner than a pixel. */
const MOST_BARS = 400;

type Passes = (slot: Slot) => boolean;

const isKnown = ({ cloud }: Slot): boolean => Number.isFinite(cloud);

/** How cloudy a slot was; nothing of a cube for whose sensor there are no clouds. */
const cloudiness = (slot: Slot, slots: Slot[]): string =>
  isKnown(slot) ? `${Math.round(slot.cloud)} % cloud` : slots.some(isKnown) ? "cloud unknown" : "";

const button = (id: string) => byId(id) as HTMLButtonElement;

/** The bar at the map's foot. */
export class Timeline {
  #slots: Slot[] = [];
  #passes: Passes = () => true;
  #at = 0;
  readonly #bar = byId("timeline");
  readonly #range = byId("slot") as HTMLInputElement;
  readonly #label = byId("slot-label");
  readonly #bars = byId("bars");

  constructor(private readonly chosen: (slot: Slot) => void) {
    this.#range.addEventListener("input", () => this.#drag(this.#range.valueAsNumber));
    button("earlier").addEventListener("click", () => this.#choose(this.#next(this.#at - 1, -1)!));
    button("later").addEventListener("click", () => this.#choose(this.#next(this.#at + 1, 1)!));
  }

  show(slots: Slot[], slot: Slot, passes: Passes): void {
    this.#fill(slots, passes);
    this.#bar.hidden = false;
    this.#mark(slots.indexOf(slot));
  }

  hide(): void {
    this.#bar.hidden = true;
  }

  #choose(at: number): void {
    this.#mark(at);
    this.chosen(this.#slots[at]!);
  }

  /** Go to a slot that passes: onwards where there is one, else back. */
  #drag(to: number): void {
    const step = to > this.#at ? 1 : -1;
    this.#choose(this.#next(to, step) ?? this.#next(to, -step) ?? this.#at);
  }

  /** The first position from one on, in steps of 1 or -1, whose slot passes. */
  #next(at: number, step: number): number | undefined {
    for (let slot = this.#slots[at]; slot; slot = this.#slots[(at += step)])
      if (this.#passes(slot)) return at;
    return undefined;
  }

  #fill(slots: Slot[], passes: Passes): void {
    [this.#slots, this.#passes] = [slots, passes];
    this.#bar.classList.toggle("single", slots.length === 1);
    this.#range.max = String(slots.length - 1);
    byId("first").textContent = slots[0] ? day(slots[0].time) : "";
    byId("last").textContent = slots.length > 1 ? day(slots.at(-1)!.time) : "";
    const passing = slots.filter(passes).length;
    const offered = passing < slots.length ? `${passing} of ${slots.length} can be shown` : "";
    byId("passing").textContent = offered || (slots.some(isKnown) ? "bars: how clear" : "");
    this.#bars.replaceChildren(...(slots.length > MOST_BARS ? [] : slots.map((slot) => this.#barOf(slot))));
  }

  #barOf(slot: Slot): HTMLElement {
    const clear = Number.isFinite(slot.cloud) ? 100 - slot.cloud : 100;
    const title = [day(slot.time), cloudiness(slot, this.#slots)].filter(Boolean).join(" · ");
    return el("i", { style: `--clear:${clear}%`, title, className: this.#passes(slot) ? "" : "out" });
  }

  #mark(at: number): void {
    const slot = this.#slots[at]!;
    this.#at = this.#range.valueAsNumber = at;
    const outside = this.#passes(slot) ? "" : "outside the filters or the view";
    const words = [cloudiness(slot, this.#slots), outside].filter(Boolean).join(" · ");
    this.#label.replaceChildren(el("b", {}, minute(slot.time)), ` ${words}`);
    this.#label.title = slot.item;
    const told = [minute(slot.time), words].filter(Boolean).join(" · ");
    this.#range.setAttribute("aria-valuetext", `${told}, ${at + 1} of ${this.#slots.length}`);
    for (const [i, bar] of [...this.#bars.children].entries()) bar.classList.toggle("on", i === at);
    button("earlier").disabled = this.#next(at - 1, -1) === undefined;
    button("later").disabled = this.#next(at + 1, 1) === undefined;
  }
}
