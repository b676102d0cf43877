// The ways in which a cube can be looked at: which bands, between which values, with which legend.

import { type Range, type Recipe, WORLDCOVER } from "./colour";
import type { Box, Cube, Slot } from "./cube";

/** A way to look at a cube. */
export interface View {
  id: string;
  label: string;
  /** What is drawn, in words. */
  explains: string;
  /** How pixels are painted; none for embeddings, which the service draws. */
  recipe?: Recipe;
  /** Whether the reader may choose what is dark and what is bright. */
  adjustable: boolean;
  model?: string;
}

const REFLECTANCE: Range = [0, 0.3];
const BRIGHTNESS: Range = [0, 255];
const ELEVATION: Range = [0, 1000];

/** Linear gamma0 of VV, VH and VV again: woods are light, water is dark, towns are pink. */
const BACKSCATTER: Range[] = [
  [0, 0.3],
  [0, 0.08],
  [0, 0.3],
];

function recipe(cube: Cube, kind: Recipe["kind"], bands: number[], ranges: Range[], ramp = "gray"): Recipe {
  const { scale, offset, fill } = cube;
  return { kind, bands, ranges, ramp, scale, offset, fill };
}

/** Positions of bands by their common names, the first that is there of several with | between. */
function named({ commonNames }: Cube, ...names: string[]): number[] | undefined {
  const found = names.map((name) =>
    name.split("|").map((one) => commonNames.indexOf(one)).find((at) => at >= 0),
  );
  return found.every((at) => at !== undefined) ? (found as number[]) : undefined;
}

const namesOf = (cube: Cube, bands: number[]): string => bands.map((at) => cube.bands[at]).join(", ");

function colours(cube: Cube): View[] {
  const range = cube.variable === "brightness" ? BRIGHTNESS : REFLECTANCE;
  const made: View[] = [];
  const add = (id: string, label: string, bands: number[] | undefined, ranges: Range[], adjustable: boolean) =>
    bands &&
    made.push({
      id,
      label,
      explains: `${namesOf(cube, bands)} as red, green, blue`,
      recipe: recipe(cube, "colour", bands, ranges),
      adjustable,
    });
  add("true-colour", "True colour", named(cube, "red", "green", "blue"), [range], true);
  add("false-colour", "False colour", named(cube, "nir|nir08", "red", "green"), [range], true);
  const [vv, vh] = [cube.bands.indexOf("vv"), cube.bands.indexOf("vh")];
  if (vv >= 0 && vh >= 0) add("vv-vh", "VV-VH", [vv, vh, vv], BACKSCATTER, false);
  return made;
}

function differenceOf({ bands }: Cube, [a, b]: number[]): string {
  const [one, other] = [bands[a!], bands[b!]];
  return `(${one} − ${other}) / (${one} + ${other})`;
}

function ramps(cube: Cube): View[] {
  const difference = named(cube, "nir|nir08", "red");
  if (difference)
    return [
      {
        id: "ndvi",
        label: "NDVI",
        explains: differenceOf(cube, difference),
        recipe: recipe(cube, "difference", difference, [[-1, 1]], "rdylgn"),
        adjustable: true,
      },
    ];
  if (cube.variable === "elevation")
    return [
      {
        id: "elevation",
        label: "Elevation",
        explains: "metres above EGM2008",
        recipe: recipe(cube, "ramp", [0], [ELEVATION], "terrain"),
        adjustable: true,
      },
    ];
  return [];
}

function classes(cube: Cube): View[] {
  if (cube.variable !== "land_cover") return [];
  return [
    {
      id: "classes",
      label: "Classes",
      explains: `${WORLDCOVER.length} classes of land cover`,
      recipe: recipe(cube, "classes", [0], []),
      adjustable: false,
    },
  ];
}

function embeddings(models: readonly string[]): View[] {
  return models.map((model) => ({
    id: `embedding-${model}`,
    label: models.length > 1 ? `Embedding ${model}` : "Embedding",
    explains: `${model}: the first three principal components as red, green, blue; a pixel a chip`,
    adjustable: false,
    model,
  }));
}

/** Return the ways to look at a cube, the most natural first. */
export const viewsOf = (cube: Cube, models: readonly string[]): View[] => [
  ...colours(cube),
  ...ramps(cube),
  ...classes(cube),
  ...embeddings(models),
];

/** What the embeddings of a model are called in a cube. */
export const variableOf = (model: string): string => `embedding_${model.replace(/[^A-Za-z0-9]/g, "_")}`;

/** Whether a slot can be looked at so: embeddings may have been computed for some slots alone. */
export function isOffered({ computed }: Cube, { model }: View, { index }: Slot): boolean {
  const runs = model ? (computed[variableOf(model)] ?? []) : [];
  return !model || runs.some(([first, end]) => first <= index && index < end);
}

/** A view between other values. */
export function between(view: View, range: Range | null): View {
  if (!range || !view.recipe || !view.adjustable) return view;
  return { ...view, recipe: { ...view.recipe, ranges: [range] } };
}

/** How large a picture of the service is, and which part of the slot it shows: all of it where none is named. */
export interface Extent {
  size: number;
  box?: Box;
}

/** The service's picture of a slot that shows the same. */
export function pictureOf(cube: Cube, slot: number, view: View, { size, box }: Extent): { path: string; query: string } {
  if (view.model) return { path: `embedding/${cube.path}/${slot}`, query: `model=${encodeURIComponent(view.model)}` };
  const { kind, bands, ranges, ramp } = view.recipe!;
  const query = new URLSearchParams({ size: `${size}` });
  if (box) query.set("window", [box.top, box.left, box.bottom, box.right].join());
  if (kind === "difference") query.set("index", "ndvi");
  else query.set("bands", bands.map((at) => cube.bands[at]!).join(","));
  if (kind === "classes") query.set("colormap", "worldcover");
  else query.set("rescale", ranges.map((range) => range.join(",")).join(";"));
  if (kind === "ramp" || kind === "difference") query.set("colormap", ramp);
  return { path: `quicklook/${cube.path}/${slot}`, query: `${query}` };
}
