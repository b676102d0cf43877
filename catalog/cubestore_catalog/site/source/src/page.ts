// What is shown follows from one state, which the address keeps: here it changes, and all parts are told.

import type { Map as MapLibre } from "maplibre-gl";
import { Alike } from "./alike";
import { Asking } from "./asking";
import { Browse } from "./browse";
import { type Cube, type Slot, isInside, openCube, rowColumn, whole } from "./cube";
import type { Listed } from "./cubes";
import { byId } from "./dom";
import { complain } from "./frame";
import { goToChip, goToCubes, goToPart } from "./going";
import { Place, addLayers, highlight, outline, showFootprints } from "./map";
import { Scene, partOf } from "./scene";
import type { Neighbour } from "./service";
import { snippet } from "./snippet";
import { START, type State, format, parse } from "./state";
import { Timeline } from "./timeline";
import { fillViewing, keepFocus, listenToRange, listenToRetry, report } from "./viewing";
import { type View, between, isOffered, viewsOf } from "./views";

/** The whole page. */
export class Page {
  #state: State = parse(location.hash);
  #cube: Cube | null = null;
  #models: readonly string[] = [];
  #passes: (slot: Slot) => boolean = () => true;
  #asked = new AbortController();
  /** Counts what was opened or closed: of two cubes that are opened at once the later stays. */
  #turn = 0;
  #pointed?: Listed;
  readonly #browse = new Browse(
    (cube) => void this.open(cube.path, true),
    (cubes) => this.#footprints(cubes),
    (cube) => highlight(this.map, cube?.geometry ?? null),
  );
  readonly #timeline = new Timeline((slot) => this.#set({ slot: slot.index }));
  readonly #scene: Scene;
  readonly #asking = new Asking((slot) => this.#goTo(slot));
  readonly #alike: Alike;
  readonly #place: Place;
  readonly #wishes = {
    view: (view: string) => this.#set({ view, range: null }),
    range: (range: [number, number] | null) => this.#set({ range }),
  };

  constructor(private readonly map: MapLibre) {
    this.#scene = new Scene(map, report);
    this.#scene.attach("footprints");
    this.#alike = new Alike(
      map,
      (chip, geometry) => void this.#follow(chip, geometry),
      (model) => {
        this.#state = { ...this.#state, model };
        this.#keep();
      },
    );
    this.#place = new Place(map);
    listenToRange(this.#wishes);
    listenToRetry(() => this.#show());
    this.#listen();
  }

  async start(pages: AsyncIterable<Listed[]>): Promise<void> {
    for await (const cubes of pages) this.#browse.add(cubes);
    this.#browse.settle();
    if (this.#state.cube) await this.open(this.#state.cube, !this.#state.map);
    else if (!this.#state.map) goToCubes(this.map, this.#browse.shown());
    document.body.dataset["state"] = "ready";
  }

  /** Open a cube; with `fit` the map goes to where the slot has data. */
  async open(path: string, fit: boolean): Promise<void> {
    const turn = ++this.#turn;
    const isLate = () => turn !== this.#turn;
    try {
      const cube = await openCube(path);
      if (isLate()) return;
      if (path !== this.#state.cube) this.#begin({ ...START, cube: path, map: this.#state.map });
      this.#models = this.#browse.find(path)?.models ?? [];
      this.#passes = this.#browse.takes();
      this.#cube = cube;
      const part = fit && (await partOf(cube, this.#slot()));
      if (isLate()) return;
      if (part) goToPart(this.map, cube, part);
      this.#enter(cube);
      const { place } = this.#state;
      if (place && this.#holds(place)) await this.#ask(place);
    } catch (error) {
      if (!isLate()) this.#giveUp(error as Error);
    }
  }

  #enter(cube: Cube): void {
    byId("failure").hidden = true;
    document.body.classList.add("open");
    document.title = `${cube.tile} ${cube.sensor} · cubestore`;
    highlight(this.map, null);
    outline(this.map, cube);
    this.#footprints(this.#browse.shown());
    this.#show();
  }

  /** Go back to the list. */
  close(): void {
    this.#begin({ ...START, map: this.#state.map });
    this.#leave();
  }

  #leave(): void {
    this.#turn++;
    this.#cube = null;
    byId("failure").hidden = true;
    document.body.classList.remove("open");
    document.title = "cubestore";
    this.#scene.hide();
    this.#timeline.hide();
    this.#forget();
    outline(this.map, null);
    this.#footprints(this.#browse.shown());
    byId("count").focus();
  }

  /** A cube that cannot be opened: what there is besides is listed. */
  #giveUp(error: Error): void {
    this.#state = { ...START, map: this.#state.map };
    this.#keep();
    this.#leave();
    complain(error);
  }

  /** Another cube, or none, is a step that the browser's own way back undoes. */
  #begin(state: State): void {
    this.#state = state;
    history.pushState(null, "", format(state));
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

  /** The slot that the address names; else the latest that passes the filters and can be looked at so. */
  #slot(): Slot {
    const { slots } = this.#cube!;
    const named = slots.find(({ index }) => index === this.#state.slot);
    return named ?? slots.findLast(this.#fits()) ?? slots.findLast(this.#passes) ?? slots.at(-1)!;
  }

  /** Whether a slot passes the filters and can be looked at as is chosen. */
  #fits(): (slot: Slot) => boolean {
    const [cube, view, passes] = [this.#cube!, this.#view(), this.#passes];
    return (slot) => passes(slot) && isOffered(cube, view, slot);
  }

  /** The model that the reader chose to search by; else the first that the cube has. */
  #model = (): string => this.#models.find((model) => model === this.#state.model) ?? this.#models[0] ?? "";

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    this.#show();
  }

  /** Show a slot; for one that was committed since the cube was opened, open it again. */
  #goTo(slot: number): void {
    if (this.#cube!.slots.some(({ index }) => index === slot)) return this.#set({ slot });
    this.#state = { ...this.#state, slot };
    void this.open(this.#state.cube, false);
  }

  #show(): void {
    const cube = this.#cube!;
    const [view, slot] = [this.#view(), this.#slot()];
    this.#state = { ...this.#state, slot: slot.index, view: view.id };
    this.#timeline.show(cube.slots, slot, this.#fits());
    keepFocus(() => fillViewing(cube, this.#views(), view, slot, this.#wishes));
    this.#asking.draw(cube, view, this.#views()[0]!, slot.index);
    void this.#scene.show(cube, slot, view).then(() => this.#write());
    this.#keep();
  }

  /** The Python that opens what is in view. */
  #write(): void {
    const cube = this.#cube;
    if (!cube) return;
    const box = this.#scene.inView() ?? whole(cube); // nothing is drawn of a slot that could not be asked for
    byId("python").textContent = snippet(cube, this.#slot(), this.#view(), box);
  }

  #keep(): void {
    history.replaceState(null, "", format(this.#state));
  }

  /** Whether a place lies in the open cube. */
  #holds = (place: [number, number]): boolean =>
    this.#cube !== null && isInside(this.#cube, rowColumn(this.#cube, ...place));

  /** Ask about a place of the cube; what was asked before is dropped. */
  async #ask(place: [number, number]): Promise<void> {
    const cube = this.#cube!;
    this.#forget();
    this.#state = { ...this.#state, place };
    this.#place.set(place);
    this.#keep();
    const { signal } = (this.#asked = new AbortController());
    const question = { cube, slot: this.#slot(), place, models: this.#models, model: this.#model() };
    const alike = this.#alike.ask(question);
    await this.#asking.ask(cube, place, signal);
    if (this.#cube === cube) this.#asking.draw(cube, this.#view(), this.#views()[0]!, this.#slot().index);
    byId("place").scrollIntoView({ block: "nearest" }); // on a telephone little of the panel is in view
    await alike;
  }

  #forget(): void {
    this.#asked.abort();
    this.#asking.forget();
    this.#alike.forget();
    this.#place.set(null);
  }

  /** Go to a chip that looks alike, in its own slot and cube; of another cube's place there is no series. */
  async #follow({ path, slot }: Neighbour, geometry: GeoJSON.Geometry): Promise<void> {
    if (path !== this.#state.cube) {
      await this.open(path, false);
      this.#asking.forget();
    }
    if (this.#cube?.path !== path) return; // it could not be opened
    this.#goTo(slot);
    goToChip(this.map, geometry);
  }

  #listen(): void {
    const { map } = this;
    map.on("click", ({ lngLat }) => this.#clicked([lngLat.lng, lngLat.lat]));
    map.on("moveend", () => this.#moved());
    map.on("mousemove", ({ lngLat }) => this.#points([lngLat.lng, lngLat.lat]));
    map.on("mouseout", () => this.#cube || highlight(map, null));
    map.on("webglcontextrestored", () => void map.once("style.load", () => this.#restore()));
    map.getCanvas().addEventListener("keydown", ({ key }) => {
      if (key === "Enter") this.#clicked(map.getCenter().toArray());
    });
    byId("back").addEventListener("click", () => this.close());
    addEventListener("keydown", ({ key }) => key === "Escape" && this.#cube && this.close());
    addEventListener("hashchange", () => void this.#follows());
  }

  #moved(): void {
    const { lng, lat } = this.map.getCenter();
    this.#state.map = [Number(lng.toFixed(6)), Number(lat.toFixed(6)), Number(this.map.getZoom().toFixed(3))];
    this.#keep();
    this.#write();
  }

  /** The pointer is over a place: the cube that a click opens is marked. */
  #points(at: [number, number]): void {
    const cube = this.#cube ? undefined : this.#browse.here(at)[0];
    this.map.getCanvas().style.cursor = this.#cube ? "crosshair" : cube ? "pointer" : "";
    if (cube !== this.#pointed) highlight(this.map, cube?.geometry ?? null);
    this.#pointed = cube;
  }

  /** The browser took the map's graphics, as it does with many pages open, and gave new ones. */
  #restore(): void {
    addLayers(this.map);
    this.#scene.attach("footprints");
    this.#footprints(this.#browse.shown());
    outline(this.map, this.#cube);
    if (this.#state.place) void this.#ask(this.#state.place);
  }

  #clicked(at: [number, number]): void {
    const place: [number, number] = [Number(at[0].toFixed(6)), Number(at[1].toFixed(6))];
    if (this.#holds(place)) return void this.#ask(place);
    if (this.#cube && this.#browse.here(place).length > 1) this.close(); // they are listed
    this.#browse.at(place);
  }

  /** Somebody changed the address, or went back. */
  async #follows(): Promise<void> {
    this.#state = parse(location.hash);
    const { map, cube } = this.#state;
    this.#scene.hide();
    if (map) this.map.jumpTo({ center: [map[0], map[1]], zoom: map[2] });
    if (cube) await this.open(cube, !map);
    else if (this.#cube) this.#leave();
  }
}
