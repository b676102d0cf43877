// The panel of an open cube: how it is looked at, what the colours mean, and the Python that opens it.

import { RAMPS, WORLDCOVER } from "./colour";
import type { Cube, Slot } from "./cube";
import { byId, el } from "./dom";
import type { Progress } from "./scene";
import { type View, isOffered } from "./views";

const SAYS: Record<Progress["from"], string> = {
  zarr: "Drawn from the cube's Zarr, pixel by pixel",
  picture: "An overview, drawn by the service: zoom in for the cube's own pixels",
  embedding: "Drawn by the service from the cube's embeddings",
};

/** Say what is drawn, and how far it is: in words, and as a bar over the map. */
export function report({ from, state, chunks, missing, error, note }: Progress): void {
  const line = byId("status");
  const share = chunks ? (chunks - missing) / chunks : 0.3;
  byId("progress").hidden = state !== "loading";
  byId("progress").style.setProperty("--share", `${100 * share}%`);
  byId("retry").hidden = state !== "error";
  line.dataset["state"] = state;
  line.dataset["from"] = from;
  const reading = from === "zarr" && chunks ? `Reading ${chunks - missing} of ${chunks} chunks` : "Loading";
  const done = from === "zarr" && chunks === 0 ? "No pixels of this slot are in view" : SAYS[from];
  line.textContent = state === "loading" ? `${reading} …` : state === "error" ? error : (note ?? done);
}

/** The colours' meaning. */
function legend({ recipe }: View): HTMLElement | null {
  if (recipe?.kind === "classes") {
    const entries = WORLDCOVER.map(([, colour, name]) =>
      el("li", {}, el("i", { style: `background:#${colour}` }), name),
    );
    return el("ul", { className: "classes" }, ...entries);
  }
  if (recipe?.kind !== "ramp" && recipe?.kind !== "difference") return null;
  const { places, colours } = RAMPS[recipe.ramp]!;
  const stops = colours.map((c, i) => `rgb(${c.join()}) ${100 * places[i]!}%`).join();
  const [low, high] = recipe.ranges[0]!;
  const bar = el("i", { style: `background:linear-gradient(to right, ${stops})` });
  return el("div", { className: "ramp" }, String(low), bar, String(high));
}

/** What the reader can do with an open cube. */
export interface Wishes {
  view(id: string): void;
  range(range: [number, number] | null): void;
}

/** Fill the panel for a view of a cube. */
export function fillViewing(cube: Cube, views: View[], view: View, slot: Slot, wishes: Wishes): void {
  byId("cube-title").textContent = cube.tile;
  byId("cube-sensor").textContent = cube.sensor;
  byId("attribution").textContent = cube.attribution;
  const choices = views.map((one) => choice(one, one.id === view.id, isOffered(cube, one, slot), wishes));
  byId("views").replaceChildren(...choices);
  byId("explains").textContent = view.explains;
  byId("legend").replaceChildren(...[legend(view)].filter((one) => one !== null));
  fillRange(view);
}

/** A view to choose; one that was not computed for the slot is grey, and says so. */
function choice(view: View, checked: boolean, offered: boolean, wishes: Wishes): HTMLElement {
  const disabled = !offered && !checked;
  const title = offered ? view.explains : "Not computed for this slot";
  const radio = el("input", { type: "radio", name: "view", value: view.id, checked, disabled });
  radio.addEventListener("change", () => wishes.view(view.id));
  return el("label", { title }, radio, el("span", {}, view.label));
}

const field = (id: string) => byId(id) as HTMLInputElement;

function fillRange(view: View): void {
  byId("range").hidden = !view.adjustable;
  const [low, high] = view.recipe?.ranges[0] ?? [0, 1];
  if (document.activeElement !== field("low")) field("low").value = String(low);
  if (document.activeElement !== field("high")) field("high").value = String(high);
}

/** Listen to the two numbers; those that make no range are told of and not drawn. */
export function listenToRange(wishes: Wishes): void {
  const read = () => {
    const [low, high] = [field("low").valueAsNumber, field("high").valueAsNumber];
    const fits = low < high;
    field("high").setCustomValidity(fits ? "" : "The maximum has to be above the minimum");
    if (fits) wishes.range([low, high]);
  };
  for (const id of ["low", "high"]) byId(id).addEventListener("change", read);
  byId("own-range").addEventListener("click", () => wishes.range(null));
}

/** Listen to the button that asks again for what could not be had. */
export function listenToRetry(again: () => void): void {
  byId("retry").addEventListener("click", again);
}

/** Focus the view that is chosen, where the keyboard was on one of them. */
export function keepFocus(change: () => void): void {
  const inside = byId("views").contains(document.activeElement);
  change();
  if (inside) byId("views").querySelector<HTMLElement>("input:checked")?.focus();
}
