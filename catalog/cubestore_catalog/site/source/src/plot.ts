// A place through time: a small drawing that is read with the pointer or the arrow keys, and the same numbers
// as a table.

import { day, el, svg } from "./dom";
import type { Series } from "./service";

/** A line of the plot. */
export interface Curve {
  name: string;
  /** A class of the style sheet, which has the colour. */
  tone: string;
  values: (number | null)[];
}

/** What is drawn: curves over the times of a series. */
export interface Drawing {
  series: Series;
  curves: Curve[];
  /** What the values are, with their unit. */
  title: string;
  /** The slot that the map shows. */
  slot: number;
  /** The reader chose a slot. */
  choose(slot: number): void;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [360, 184, 44, 22, 24, 8];

/** Ticks that an axis has at least. */
const FEWEST = 3;

/** Round steps of an axis: 1, 2 or 5 times a power of ten, the largest of which there are enough. */
export function ticks(low: number, high: number): number[] {
  const power = 10 ** Math.floor(Math.log10(high - low));
  const count = (step: number) => Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  const step = [10, 5, 2, 1, 0.5, 0.2, 0.1].map((n) => n * power).find((n) => count(n) >= FEWEST)!;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: count(step) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
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

const upright = (className: string, x: number): SVGElement =>
  svg("line", { class: className, x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM });

/** The same numbers as a table. */
export function table(series: Series, curves: Curve[], format: (value: number) => string): HTMLElement {
  const head = el("tr", {}, ...["Date", ...curves.map((c) => c.name)].map((n) => el("th", { scope: "col" }, n)));
  const cell = (value: number | null | undefined) => el("td", {}, value == null ? "–" : format(value));
  const rows = series.time.map((time, i) =>
    el("tr", {}, el("th", { scope: "row" }, time.slice(0, 10)), ...curves.map(({ values }) => cell(values[i]))),
  );
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

const folded = (inside: HTMLElement): HTMLElement =>
  el("details", {}, el("summary", {}, "As a table"), el("div", { className: "scroll" }, inside));

const legend = (curves: Curve[], cloudy: boolean): HTMLElement =>
  el(
    "ul",
    { className: "legend" },
    ...curves.map(({ name, tone }) => el("li", { className: tone }, name)),
    cloudy && el("li", { className: "hollow" }, "cloud or shadow"),
  );

const cloudyOf = ({ time, cloud_class: classes }: Series): boolean[] =>
  time.map((_, i) => [1, 2, 3].includes(classes?.[i] ?? 0));

/** Draw. */
export function plot(drawing: Drawing): HTMLElement {
  const { series, curves } = drawing;
  const some = curves.some(({ values }) => values.some((v) => v !== null));
  if (!some) return el("p", { className: "note" }, "No slot has a value here.");
  const cloudy = cloudyOf(series);
  const numbers = folded(table(series, curves, (value) => value.toPrecision(4)));
  return el("div", { className: "plot" }, ...readable(drawing, cloudy), legend(curves, cloudy.includes(true)), numbers);
}

/** The drawing as a slider over its dates, and what it says of one of them. */
function readable(drawing: Drawing, cloudy: boolean[]): [HTMLElement, HTMLElement] {
  const { series, curves, title, slot, choose } = drawing;
  const last = series.time.length - 1;
  const shown = Math.max(series.slot.indexOf(slot), 0);
  const { picture, cursor, nearest, x } = picturing(drawing, shown, cloudy);
  const label = `${title}. Arrow keys read a date, Enter shows it`;
  const aria = { role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": last };
  const slider = el("div", { ...aria, tabIndex: 0 }, picture);
  const said = el("p", { className: "reading" });
  const words = wordsOf(series, curves, cloudy);
  const read = (i: number) => {
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, String(x(i)));
    cursor.classList.toggle("away", i !== shown);
    slider.setAttribute("aria-valuenow", String(i));
    slider.setAttribute("aria-valuetext", (said.textContent = words(i)));
  };
  const chosen = (i: number) => choose(series.slot[i]!);
  slider.onpointermove = (event) => read(nearest(event));
  slider.onpointerleave = slider.onblur = () => read(shown);
  slider.onclick = (event) => chosen(nearest(event));
  slider.onkeydown = (event) => step(event, Number(slider.ariaValueNow), last, read, chosen);
  read(shown);
  return [slider, said];
}

/** The drawing, a line that moves over it, and where its dates lie. */
function picturing({ series, curves, title }: Drawing, shown: number, cloudy: boolean[]) {
  const times = series.time.map((time) => Date.parse(time));
  const range = limits(curves);
  const at = axes(times, range);
  const cursor = upright("cursor", 0);
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    svg("text", { class: "title", x: 0, y: 11 }, title),
    ...scale(at, range),
    ...dates(at, times),
    upright("now", at.x(times[shown]!)),
    cursor,
    ...curves.map((curve) => line(at, times, curve, cloudy)),
  );
  const nearest = ({ clientX }: MouseEvent): number => {
    const { left, width } = picture.getBoundingClientRect();
    const far = times.map((time) => Math.abs(at.x(time) - ((clientX - left) / width) * WIDTH));
    return far.indexOf(Math.min(...far));
  };
  return { picture, cursor, nearest, x: (i: number) => at.x(times[i]!) };
}

type Act = (i: number) => void;

/** What a key does to a slider of some positions. */
function step(event: KeyboardEvent, at: number, last: number, read: Act, choose: Act): void {
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
  if (to === undefined && event.key !== "Enter") return;
  event.preventDefault();
  if (to === undefined) choose(at);
  else read(Math.min(Math.max(to, 0), last));
}

/** What a date says in words. */
const wordsOf = (series: Series, curves: Curve[], cloudy: boolean[]) => (i: number): string => {
  const values = curves.map(({ name, values }) => `${name} ${values[i]?.toPrecision(3) ?? "–"}`);
  return [series.time[i]!.slice(0, 10), values.join(", "), cloudy[i] ? "cloud or shadow" : ""].filter(Boolean).join(" · ");
};
