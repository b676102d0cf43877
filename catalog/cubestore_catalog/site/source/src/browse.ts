// The panel before a cube is chosen: the cubes that pass the filters, some of them by name.

import type { Listed } from "./cubes";
import { byId, day, el } from "./dom";
import { EVERYTHING, type Filter, type Taken, passes, takes } from "./filter";
import { Filters } from "./filters";

/** Cubes that are listed by name at a time; the map shows all. */
const AT_A_TIME = 100;

const FILL = `cubestore build STORE --catalog earth-search \\
    --sensor sentinel-2-l2a --bbox W S E N \\
    --datetime 2024-05-01/2024-09-30
cubestore catalog STORE`;

const plural = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

function days({ slots }: Listed): string {
  const [from, to] = [day(slots[0]!.time), day(slots.at(-1)!.time)];
  return from === to ? from : `${from} – ${to}`;
}

const byName = (a: Listed, b: Listed): number => (a.path < b.path ? -1 : 1);

/** The list of cubes. */
export class Browse {
  #cubes: Listed[] = [];
  /** Those that pass, of which the first are listed. */
  #passing: Listed[] = [];
  #filter: Filter = EVERYTHING;
  readonly #filters = new Filters((wanted) => this.#apply({ ...this.#filter, ...wanted }));
  readonly #list = byId("cubes");

  constructor(
    private readonly chosen: (cube: Listed) => void,
    private readonly filtered: (cubes: Listed[]) => void,
    private readonly pointed: (cube: Listed | null) => void,
  ) {
    byId("everything").addEventListener("click", () => this.#reset());
    byId("more").addEventListener("click", () => this.#more());
  }

  /** Take in cubes as they come. */
  add(cubes: Listed[]): void {
    this.#cubes = [...this.#cubes, ...cubes].sort(byName);
    this.#filters.offer(this.#cubes.map(({ sensor }) => sensor));
    this.#apply(this.#filter);
  }

  /** Every page has come: an empty store is told what to do. */
  settle(): void {
    byId("empty").hidden = this.#cubes.length > 0;
    byId("browse").hidden = this.#cubes.length === 0;
    byId("fill").textContent = FILL;
  }

  find = (path: string): Listed | undefined => this.#cubes.find((cube) => cube.path === path);

  /** Show only the cubes at a place; the only one there is opened at once. */
  at(place: [number, number]): void {
    const here = this.here(place);
    if (here.length === 1) return this.chosen(here[0]!);
    this.#apply({ ...this.#filter, here: here.length ? place : null });
  }

  /** The cubes that pass the filters at a place. */
  here = (place: [number, number]): Listed[] =>
    this.#cubes.filter((cube) => passes(cube, { ...this.#filter, here: place }));

  /** The cubes that pass the filters, wherever they are. */
  shown = (): Listed[] => this.#cubes.filter((cube) => passes(cube, { ...this.#filter, here: null }));

  /** Which slots pass the filters as they are now. */
  takes(): (slot: Taken) => boolean {
    const filter = this.#filter;
    return (slot) => takes(filter, slot);
  }

  #reset(): void {
    this.#filters.reset();
    this.#apply(EVERYTHING);
  }

  #apply(filter: Filter): void {
    this.#filter = filter;
    this.#passing = this.#cubes.filter((cube) => passes(cube, filter));
    this.#tell(this.#passing.length, this.#cubes.length, filter.here ? " at this place" : "");
    this.#list.replaceChildren();
    this.#more();
    this.filtered(this.shown());
  }

  #tell(n: number, all: number, where: string): void {
    byId("count").textContent = (n === all ? plural(all, "cube") : `${n} of ${all} cubes`) + where;
    byId("none").hidden = n > 0 || all === 0;
    byId("everything").hidden = n === all && !where;
  }

  /** List the next by name; the keyboard goes on with the first of them. */
  #more(): void {
    const listed = this.#list.childElementCount;
    const next = this.#passing.slice(listed, listed + AT_A_TIME);
    this.#list.append(...next.map((cube) => this.#entry(cube)));
    if (listed) this.#list.children[listed]?.querySelector("button")?.focus();
    const left = this.#passing.length - listed - next.length;
    byId("more").hidden = left === 0;
    byId("more").textContent = `Show ${Math.min(left, AT_A_TIME)} more of ${left}`;
  }

  #entry(cube: Listed): HTMLElement {
    const button = el(
      "button",
      { type: "button", onclick: () => this.chosen(cube), "data-path": cube.path },
      el("b", {}, cube.tile),
      el("span", {}, cube.sensor),
      el("small", {}, `${days(cube)} · ${this.#slots(cube)}`),
    );
    button.onpointerenter = button.onfocus = () => this.pointed(cube);
    button.onpointerleave = button.onblur = () => this.pointed(null);
    return el("li", {}, button);
  }

  /** How many slots of a cube pass. */
  #slots({ slots }: Listed): string {
    const passing = slots.filter(this.takes());
    const [n, all] = [passing.length, slots.length];
    return n === all ? plural(all, "slot") : `${n} of ${plural(all, "slot")}`;
  }
}
