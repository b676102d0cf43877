// From stored numbers to colours. Pure, and run in the workers; the service's pictures use the same rules.

type Colour = readonly [number, number, number];

export type Range = readonly [number, number];

/** How the bands of a chunk become a colour. */
export interface Recipe {
  kind: "colour" | "ramp" | "difference" | "classes";
  /** Positions of the bands: three for a colour, two for a difference (a - b) / (a + b), else one. */
  bands: number[];
  /** What is dark and what is bright: once, or for each band. */
  ranges: Range[];
  ramp: string;
  /** From a stored number to a physical one. */
  scale: number;
  offset: number;
  fill: number;
}

function hex(text: string): Colour {
  const value = Number.parseInt(text, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

interface Ramp {
  places: number[];
  colours: Colour[];
}

function even(text: string): Ramp {
  const colours = text.split(" ").map(hex);
  return { places: colours.map((_, i) => i / (colours.length - 1)), colours };
}

export const RAMPS: Readonly<Record<string, Ramp>> = {
  gray: even("000000 ffffff"),
  // C. Brewer, ColorBrewer 2.0, RdYlGn in eleven classes, Apache-2.0.
  rdylgn: even("a50026 d73027 f46d43 fdae61 fee08b ffffbf d9ef8b a6d96a 66bd63 1a9850 006837"),
  // Matplotlib, lib/matplotlib/_cm.py, _terrain_data.
  terrain: {
    places: [0, 0.15, 0.25, 0.5, 0.75, 1],
    colours: ["333399", "0099ff", "00cc66", "ffff99", "805c54", "ffffff"].map(hex),
  },
};

/** ESA, WorldCover Product User Manual, version 2.0, map legend: class, colour, name. */
export const WORLDCOVER: readonly (readonly [number, string, string])[] = [
  [10, "006400", "Tree cover"],
  [20, "ffbb22", "Shrubland"],
  [30, "ffff4c", "Grassland"],
  [40, "f096ff", "Cropland"],
  [50, "fa0000", "Built-up"],
  [60, "b4b4b4", "Bare or sparse vegetation"],
  [70, "f0f0f0", "Snow and ice"],
  [80, "0064c8", "Permanent water"],
  [90, "0096a0", "Herbaceous wetland"],
  [95, "00cf75", "Mangroves"],
  [100, "fae6a0", "Moss and lichen"],
];

const CLASSES = new Map(WORLDCOVER.map(([value, colour]) => [value, hex(colour)]));

/** How far a number is on the way from dark to bright, 0 to 1. */
const share = (value: number, [low, high]: Range): number =>
  Math.min(Math.max((value - low) / (high - low || 1), 0), 1);

/** The colour of a number from 0 to 1. */
export function ramped(at: number, { places, colours }: Ramp): Colour {
  const right = Math.max(places.findIndex((place) => at <= place), 1);
  const [low, high] = [places[right - 1]!, places[right]!];
  const part = (at - low) / (high - low);
  const [a, b] = [colours[right - 1]!, colours[right]!];
  return [0, 1, 2].map((i) => Math.round(a[i]! + (b[i]! - a[i]!) * part)) as unknown as Colour;
}

/** The colour of a pixel's physical values, or nothing. */
function colour(values: number[], { kind, ranges, ramp }: Recipe): Colour | undefined {
  if (values.some(Number.isNaN)) return undefined;
  if (kind === "classes") return CLASSES.get(values[0]!);
  if (kind === "colour")
    return values.map((v, i) =>
      Math.round(255 * share(v, ranges[i] ?? ranges[0]!)),
    ) as unknown as Colour;
  const [a, b] = [values[0]!, values[1]!];
  const shown = kind === "difference" ? (a - b) / (a + b) : a;
  return Number.isFinite(shown) ? ramped(share(shown, ranges[0]!), RAMPS[ramp]!) : undefined;
}

/**
 * Paint a chunk.
 *
 * @param stored (bands, y, x) flattened, as stored.
 * @param pixels of one band of the chunk.
 * @returns (y, x, 4), transparent where there is no data, and whether all of it is.
 */
export function paint(
  stored: ArrayLike<number>,
  pixels: number,
  recipe: Recipe,
): { rgba: Uint8ClampedArray<ArrayBuffer>; empty: boolean } {
  const rgba = new Uint8ClampedArray(4 * pixels);
  const values = recipe.bands.map(() => 0);
  let empty = true;
  for (let i = 0; i < pixels; i++) {
    recipe.bands.forEach((band, k) => {
      const value = stored[band * pixels + i]!;
      values[k] = value === recipe.fill ? Number.NaN : value * recipe.scale + recipe.offset;
    });
    const found = colour(values, recipe);
    if (!found) continue;
    rgba.set(found, 4 * i);
    rgba[4 * i + 3] = 255;
    empty = false;
  }
  return { rgba, empty };
}
