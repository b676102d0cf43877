// The panel before a cube is chosen: filters, and the cubes that pass them.

import { EVERYTHING, type Filter, type Listed, passes } from "./cubes";
import { byId, el } from "./dom";

/** Cubes that are listed by name; the map shows all. */
const MOST_LISTED = 100;

const FILL = `cubestore build STORE --catalog earth-search \\
    --sensor sentinel-2-l2a --bbox W S E N \\
    --datetime 2024-05-01/2024-09-30
cubestore catalog STORE`;

const years = ({ start, end }: Listed): string => {
  const [from, to] = [start.slice(0, 10), end.slice(0, 10)];
  return from === to ? from : `${from} – ${to}`;
};

/** The list and its filters. */
export class Browse {
  #cubes: Listed[] = [];
  #filter: Filter = EVERYTHING;
  readonly #list = byId("cubes");
  readonly #sensors = byId("sensors");

  constructor(
    private readonly chosen: (cube: Listed) => void,
    private readonly filtered: (cubes: Listed[]) => void,
  ) {
    for (const id of ["from", "to", "cloud"]) byId(id).addEventListener("input", () => this.#read());
    byId("everything").addEventListener("click", () => this.#reset());
  }

  /** Take in cubes as they come. */
  add(cubes: Listed[]): void {
    this.#cubes = [...this.#cubes, ...cubes];
    this.#listSensors();
    this.#apply();
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
    const here = this.#cubes.filter((cube) => passes(cube, { ...this.#filter, here: place }));
    if (here.length === 1) return this.chosen(here[0]!);
    this.#filter = { ...this.#filter, here: here.length ? place : null };
    this.#apply();
  }

  /** The cubes that pass the filters, wherever they are. */
  shown = (): Listed[] => this.#cubes.filter((cube) => passes(cube, { ...this.#filter, here: null }));

  #listSensors(): void {
    const counts = new Map<string, number>();
    for (const { sensor } of this.#cubes) counts.set(sensor, (counts.get(sensor) ?? 0) + 1);
    if (counts.size === this.#sensors.childElementCount) return;
    const names = [...counts.keys()].sort();
    this.#sensors.replaceChildren(
      ...names.map((name) => {
        const box = el("input", { type: "checkbox", value: name, defaultChecked: true });
        box.addEventListener("change", () => this.#read());
        return el("label", {}, box, el("span", {}, name));
      }),
    );
  }

  #read(): void {
    const boxes = [...this.#sensors.querySelectorAll("input")];
    const on = boxes.filter((box) => box.checked).map((box) => box.value);
    const value = (id: string) => (byId(id) as HTMLInputElement).value;
    this.#filter = {
      ...this.#filter,
      sensors: on.length === boxes.length ? null : new Set(on),
      from: value("from"),
      to: value("to"),
      cloud: Number(value("cloud")),
    };
    this.#apply();
  }

  #reset(): void {
    this.#filter = EVERYTHING;
    (byId("filters") as HTMLFormElement).reset();
    this.#apply();
  }

  #apply(): void {
    byId("cloud-label").textContent = `${this.#filter.cloud} %`;
    const passing = this.#cubes.filter((cube) => passes(cube, this.#filter));
    const where = this.#filter.here ? " at this place" : "";
    const [n, all] = [passing.length, this.#cubes.length];
    byId("count").textContent =
      (n === all ? `${all} ${all === 1 ? "cube" : "cubes"}` : `${n} of ${all} cubes`) + where;
    byId("everything").hidden = n === all && !where;
    this.#list.replaceChildren(...passing.slice(0, MOST_LISTED).map((cube) => this.#entry(cube)));
    byId("more").hidden = n <= MOST_LISTED;
    byId("more").textContent = `and ${n - MOST_LISTED} more: narrow the filters, or choose on the map`;
    this.filtered(this.shown());
  }

  #entry(cube: Listed): HTMLElement {
    const cloud = cube.cloud === null ? "" : ` · ${Math.round(cube.cloud)} % cloud`;
    const button = el(
      "button",
      { type: "button", onclick: () => this.chosen(cube), "data-path": cube.path },
      el("b", {}, cube.tile),
      el("span", {}, cube.sensor),
      el("small", {}, years(cube) + cloud),
    );
    return el("li", {}, button);
  }
}
