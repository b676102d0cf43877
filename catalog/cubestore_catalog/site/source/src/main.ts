// The page: the catalogue's cubes on a map, one of them drawn, a place of it asked about. All that is shown
// follows from one state, which the address keeps.

import { LngLatBounds, type Map as MapLibre } from "maplibre-gl";
import { Asking } from "./asking";
import { Browse } from "./browse";
import { type Cube, type Slot, isInside, lonLat, openCube, rowColumn } from "./cube";
import { type Listed, allCubes } from "./cubes";
import { byId } from "./dom";
import { Place, makeMap, outline, showFootprints } from "./map";
import { Scene } from "./scene";
import type { Neighbour } from "./service";
import { snippet } from "./snippet";
import { START, type State, format, parse } from "./state";
import { Timeline } from "./timeline";
import { fillViewing, keepFocus, listenToRange, report } from "./viewing";
import { type View, between, viewsOf } from "./views";

class Page {
  #state: State = parse(location.hash);
  #cube: Cube | null = null;
  #models: readonly string[] = [];
  readonly #browse = new Browse((cube) => void this.open(cube.path, true), (cubes) => this.#footprints(cubes));
  readonly #timeline = new Timeline((slot) => this.#set({ slot: slot.index }));
  readonly #scene: Scene;
  readonly #asking: Asking;
  readonly #place: Place;
  readonly #wishes = {
    view: (view: string) => this.#set({ view, range: null }),
    range: (range: [number, number] | null) => this.#set({ range }),
  };

  constructor(private readonly map: MapLibre) {
    this.#scene = new Scene(map, report);
    this.#scene.attach("footprints");
    this.#asking = new Asking(map, (chip, geometry) => void this.#follow(chip, geometry));
    this.#place = new Place(map);
    listenToRange(this.#wishes);
    this.#listen();
  }

  async start(): Promise<void> {
    for await (const cubes of allCubes()) this.#browse.add(cubes);
    this.#browse.settle();
    if (this.#state.cube) await this.open(this.#state.cube, !this.#state.map);
    else if (!this.#state.map) this.#fit(this.#browse.shown());
    document.body.dataset["state"] = "ready";
  }

  /** Open a cube; with `fit` the map goes there. */
  async open(path: string, fit: boolean): Promise<void> {
    try {
      const cube = await openCube(path);
      const again = path === this.#state.cube;
      this.#models = this.#browse.find(path)?.models ?? [];
      this.#cube = cube;
      if (!again) this.#state = { ...START, cube: path, map: this.#state.map };
      if (fit) await this.#fitData(cube);
      document.body.classList.add("open");
      outline(this.map, cube);
      this.#footprints(this.#browse.shown());
      this.#show();
      if (this.#state.place) await this.#ask(this.#state.place);
    } catch (error) {
      fail(error as Error);
    }
  }

  close(): void {
    this.#cube = null;
    this.#state = { ...START, map: this.#state.map };
    document.body.classList.remove("open");
    this.#scene.hide();
    this.#timeline.hide();
    this.#asking.forget();
    this.#place.set(null);
    outline(this.map, null);
    this.#footprints(this.#browse.shown());
    this.#keep();
    byId("count").focus();
  }

  #footprints(cubes: Listed[]): void {
    showFootprints(this.map, cubes, this.#cube !== null);
  }

  #views = (): View[] => viewsOf(this.#cube!, this.#models);

  #view(): View {
    const views = this.#views();
    const chosen = views.find(({ id }) => id === this.#state.view) ?? views[0]!;
    return between(chosen, this.#state.range);
  }

  #slot(): Slot {
    const { slots } = this.#cube!;
    return slots.find(({ index }) => index === this.#state.slot) ?? slots.at(-1)!;
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    this.#show();
  }

  #show(): void {
    const cube = this.#cube!;
    const [view, slot] = [this.#view(), this.#slot()];
    this.#state = { ...this.#state, slot: slot.index, view: view.id };
    this.#timeline.show(cube.slots, slot);
    keepFocus(() => fillViewing(cube, this.#views(), view, this.#wishes));
    this.#asking.draw(cube, view, this.#views()[0]!, slot.index);
    void this.#scene.show(cube, slot, view).then(() => this.#write());
    this.#keep();
  }

  /** The Python that opens what is in view. */
  #write(): void {
    const box = this.#cube && this.#scene.inView();
    if (box) byId("python").textContent = snippet(this.#cube!, this.#slot(), this.#view(), box);
  }

  #keep(): void {
    history.replaceState(null, "", format(this.#state));
  }

  async #ask(place: [number, number]): Promise<void> {
    const cube = this.#cube!;
    if (!isInside(cube, rowColumn(cube, ...place))) return this.#browse.at(place);
    this.#state = { ...this.#state, place };
    this.#place.set(place);
    this.#keep();
    await this.#asking.ask(cube, this.#models, place);
    if (this.#cube === cube) this.#asking.draw(cube, this.#view(), this.#views()[0]!, this.#slot().index);
  }

  /** Go to a chip that looks alike, in its own slot. */
  async #follow(chip: Neighbour, geometry: GeoJSON.Geometry): Promise<void> {
    const ring = (geometry as GeoJSON.Polygon).coordinates[0] as [number, number][];
    const bounds = ring.reduce((all, at) => all.extend(at), new LngLatBounds());
    const path = this.#browse.shown().find((c) => c.tile === chip.tile && c.sensor === chip.sensor)?.path;
    const { place } = this.#state;
    if (path && path !== this.#state.cube) await this.open(path, false);
    this.#set({ slot: chip.slot, place });
    this.map.fitBounds(bounds, { padding: 80, maxZoom: 15, animate: !calm() });
  }

  #fit(cubes: Listed[]): void {
    if (!cubes.length) return;
    const bounds = cubes.reduce((all, { bbox: [w, s, e, n] }) => all.extend([w, s]).extend([e, n]), new LngLatBounds());
    this.map.fitBounds(bounds, { padding: 48, maxZoom: 9, animate: false });
  }

  /** Go to where the latest slot has data, near enough that its own pixels are drawn. */
  async #fitData(cube: Cube): Promise<void> {
    const part = await this.#scene.partOf(cube, this.#slot());
    const bounds = new LngLatBounds();
    for (const row of [part.top, part.bottom])
      for (const column of [part.left, part.right]) bounds.extend(lonLat(cube, row, column));
    const padding = { top: 32, left: 32, right: 32, bottom: 150 };
    this.map.fitBounds(bounds, { padding, animate: false });
  }

  #listen(): void {
    const { map } = this;
    map.on("click", ({ lngLat }) => this.#clicked([lngLat.lng, lngLat.lat]));
    map.on("moveend", () => {
      const { lng, lat } = map.getCenter();
      this.#state.map = [Number(lng.toFixed(6)), Number(lat.toFixed(6)), Number(map.getZoom().toFixed(3))];
      this.#keep();
      this.#write();
    });
    map.getCanvas().addEventListener("keydown", ({ key }) => {
      if (key === "Enter") this.#clicked(map.getCenter().toArray());
    });
    byId("back").addEventListener("click", () => this.close());
    byId("sheet").addEventListener("click", () => toggleSheet());
    byId("copy").addEventListener("click", () => void copy());
    addEventListener("keydown", ({ key }) => key === "Escape" && this.#cube && this.close());
    addEventListener("hashchange", () => void this.#follows());
  }

  #clicked(at: [number, number]): void {
    const place: [number, number] = [Number(at[0].toFixed(6)), Number(at[1].toFixed(6))];
    if (this.#cube) void this.#ask(place);
    else this.#browse.at(place);
  }

  /** Somebody changed the address, or went back. */
  async #follows(): Promise<void> {
    this.#state = parse(location.hash);
    const { map, cube } = this.#state;
    this.#scene.hide();
    if (map) this.map.jumpTo({ center: [map[0], map[1]], zoom: map[2] });
    if (cube) await this.open(cube, !map);
    else this.close();
  }
}

/** Whether the reader asked for less motion. */
const calm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

function toggleSheet(): void {
  const open = document.body.classList.toggle("raised");
  byId("sheet").setAttribute("aria-expanded", String(open));
}

async function copy(): Promise<void> {
  await navigator.clipboard.writeText(byId("python").textContent);
  byId("copy").textContent = "Copied";
  setTimeout(() => (byId("copy").textContent = "Copy"), 2000);
}

function fail(error: Error): void {
  const cause = (error.cause as Error | undefined)?.message;
  byId("failure").textContent = cause ? `${error.message}: ${cause}` : error.message;
  byId("failure").hidden = false;
  document.body.dataset["state"] = "failed";
}

makeMap(byId("map"), parse(location.hash).map)
  .then((map) => new Page(map).start())
  .catch(fail);
