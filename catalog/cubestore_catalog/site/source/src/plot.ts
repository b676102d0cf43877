// A place through time: a small drawing, and the same numbers as a table for those who cannot see it.

import { day, el, svg } from "./dom";
import type { Series } from "./service";

/** A line of the plot. */
export interface Curve {
  name: string;
  /** A class of the style sheet, which has the colour. */
  tone: string;
  values: (number | null)[];
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [360, 168, 40, 22, 10, 8];

/** Round steps of an axis: 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count = 4): number[] {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function limits(curves: Curve[]): [number, number] {
  const all = curves.flatMap(({ values }) => values.filter((v): v is number => v !== null));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

interface Axes {
  x(time: number): number;
  y(value: number): number;
}

function axes(times: number[], [low, high]: [number, number]): Axes {
  const [first, last] = [times[0]!, times.at(-1)!];
  const span = last - first;
  return {
    x: (time) => LEFT + (span ? (time - first) / span : 0.5) * (WIDTH - LEFT - RIGHT),
    y: (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - BOTTOM - TOP),
  };
}

function scale({ y }: Axes, [low, high]: [number, number]): SVGElement[] {
  return ticks(low, high).map((value) =>
    svg(
      "g",
      { class: "tick" },
      svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }, String(value)),
    ),
  );
}

function dates({ x }: Axes, times: number[]): SVGElement[] {
  const label = (time: number, anchor: string) =>
    svg("text", { x: x(time), y: HEIGHT - 5, "text-anchor": anchor }, day(new Date(time)));
  const [first, last] = [times[0]!, times.at(-1)!];
  return first === last ? [label(first, "middle")] : [label(first, "start"), label(last, "end")];
}

function line({ x, y }: Axes, times: number[], { values, tone }: Curve, cloudy: boolean[]): SVGElement {
  const known = values.flatMap((v, i) => (v === null ? [] : [{ at: i, x: x(times[i]!), y: y(v) }]));
  const clear = known.filter(({ at }) => !cloudy[at]);
  const path = clear.map((p, i) => `${i ? "L" : "M"}${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join("");
  const points = known.map((p) =>
    svg("circle", { cx: p.x, cy: p.y, r: 2.6, class: cloudy[p.at] ? "cloudy" : "clear" }),
  );
  return svg("g", { class: `curve ${tone}` }, svg("path", { d: path }), ...points);
}

function now({ x }: Axes, time: number): SVGElement {
  return svg("line", { class: "now", x1: x(time), x2: x(time), y1: TOP, y2: HEIGHT - BOTTOM });
}

function table(series: Series, curves: Curve[]): HTMLElement {
  const head = el("tr", {}, ...["Date", ...curves.map((c) => c.name)].map((n) => el("th", { scope: "col" }, n)));
  const rows = series.time.map((time, i) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, time.slice(0, 10)),
      ...curves.map(({ values }) => el("td", {}, values[i]?.toPrecision(4) ?? "–")),
    ),
  );
  const body = el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
  return el("details", {}, el("summary", {}, "As a table"), el("div", { className: "scroll" }, body));
}

const legend = (curves: Curve[], cloudy: boolean): HTMLElement =>
  el(
    "ul",
    { className: "legend" },
    ...curves.map(({ name, tone }) => el("li", { className: tone }, name)),
    cloudy && el("li", { className: "hollow" }, "cloud or shadow"),
  );

/** Draw curves over the times of a series; `slot` is marked. */
export function plot(series: Series, curves: Curve[], slot: number): HTMLElement {
  const times = series.time.map((time) => Date.parse(time));
  const some = curves.some(({ values }) => values.some((v) => v !== null));
  if (!some) return el("p", { className: "note" }, "No slot has a value here.");
  const cloudy = times.map((_, i) => [1, 2, 3].includes(series.cloud_class?.[i] ?? 0));
  const range = limits(curves);
  const at = axes(times, range);
  const shown = series.slot.indexOf(slot);
  const drawing = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `${curves.map((c) => c.name).join(", ")} on ${times.length} dates`,
    },
    ...scale(at, range),
    ...dates(at, times),
    shown >= 0 && now(at, times[shown]!),
    ...curves.map((curve) => line(at, times, curve, cloudy)),
  );
  return el("div", { className: "plot" }, drawing, legend(curves, cloudy.includes(true)), table(series, curves));
}
