// The Python that opens exactly what is shown: this cube, this slot, these bands, this part of the tile.

import type { Box, Cube, Slot } from "./cube";
import { address } from "./service";
import { minute } from "./dom";
import { type View, variableOf } from "./views";

/** Edges in metres, so that the centres of the pixels in between are in the slice and no other. */
function slices({ origin, pixel }: Cube, { top, left, bottom, right }: Box): string {
  const edge = (value: number) => String(Number(value.toFixed(3)));
  const x = `x=slice(${edge(origin[0] + left * pixel)}, ${edge(origin[0] + right * pixel)})`;
  const y = `y=slice(${edge(origin[1] - top * pixel)}, ${edge(origin[1] - bottom * pixel)})`;
  return `\n    ${x},\n    ${y},\n`;
}

const quoted = (names: string[]): string => `[${names.map((name) => `"${name}"`).join(", ")}]`;

function embedding(slot: Slot, model: string): string {
  return `# a vector for each chip\nshown = ds.${variableOf(model)}.isel(time=${slot.index})`;
}

function pixels(cube: Cube, slot: Slot, { recipe }: View, box: Box): string {
  const bands = [...new Set(recipe!.bands)].map((at) => cube.bands[at]!);
  const lines = [
    `shown = ds.${cube.variable}.isel(time=${slot.index})`,
    `shown = shown.sel(band=${quoted(bands)})`,
    `shown = shown.sel(${slices(cube, box)})`,
  ];
  if (recipe!.kind === "difference")
    lines.push(...bands.map((name, i) => `${"ab"[i]} = shown.sel(band="${name}")`), "ndvi = (a - b) / (a + b)");
  return lines.join("\n");
}

/** Write it. */
export function snippet(cube: Cube, slot: Slot, view: View, box: Box): string {
  const what = view.model ? embedding(slot, view.model) : pixels(cube, slot, view, box);
  return `import xarray as xr

ds = xr.open_zarr("${address(`zarr/${cube.path}`)}")
# ${minute(slot.time)}, ${slot.item}
${what}`;
}
