// Which curves of a place belong to a view: the bands that are drawn, or their difference.

import type { Cube } from "./cube";
import type { Curve } from "./plot";
import type { Series } from "./service";
import type { View } from "./views";

const COLOURS = ["red", "green", "blue"];

function difference(a: (number | null)[], b: (number | null)[]): (number | null)[] {
  return a.map((value, i) => {
    const other = b[i] ?? null;
    const found = value === null || other === null ? null : (value - other) / (value + other);
    return found !== null && Number.isFinite(found) ? found : null;
  });
}

/** Return the curves of a view; an embedding has those of the colours that the eye would see. */
export function curvesOf(cube: Cube, view: View, natural: View, series: Series): Curve[] {
  const { kind, bands } = (view.recipe ?? natural.recipe)!;
  const named = [...new Set(bands)].map((at) => cube.bands[at]!).filter((name) => name in series.bands);
  const values = named.map((name) => series.bands[name]!);
  if (kind === "difference" && values.length === 2)
    return [{ name: "NDVI", tone: "green", values: difference(values[0]!, values[1]!) }];
  return named.map((name, i) => ({
    name,
    tone: named.length > 1 ? COLOURS[i]! : "ink",
    values: values[i]!,
  }));
}
