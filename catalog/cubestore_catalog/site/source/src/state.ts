// What is shown, as the address's hash: a view can be shared, reloaded, and gone back to.

/** Everything that a link keeps. */
export interface State {
  /** The cube's path in the store, or "" while none is open. */
  cube: string;
  /** The position on the cube's time axis as stored; -1: the latest. */
  slot: number;
  view: string;
  /** The embedding model to search by, or "" for the cube's first. */
  model: string;
  /** The values drawn darkest and brightest, where not the view's own. */
  range: [number, number] | null;
  /** The place asked about: longitude, latitude. */
  place: [number, number] | null;
  /** The map: longitude, latitude, zoom. */
  map: [number, number, number] | null;
}

export const START: State = { cube: "", slot: -1, view: "", model: "", range: null, place: null, map: null };

/** Some numbers that make sense, or none. */
function numbers(text: string | null, count: number, fits: (...found: number[]) => boolean): number[] | null {
  const found = (text ?? "").split(",").map(Number);
  return text && found.length === count && found.every(Number.isFinite) && fits(...found) ? found : null;
}

const onEarth = (lon: number, lat: number): boolean => Math.abs(lon) <= 180 && Math.abs(lat) <= 90;

/** Read a hash; what does not make sense in it is left at its start. */
export function parse(hash: string): State {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const slot = fields.get("slot");
  return {
    cube: fields.get("cube") ?? "",
    slot: slot !== null && /^\d+$/.test(slot) ? Number(slot) : -1,
    view: fields.get("view") ?? "",
    model: fields.get("model") ?? "",
    range: numbers(fields.get("range"), 2, (low, high) => low < high) as State["range"],
    place: numbers(fields.get("place"), 2, onEarth) as State["place"],
    map: numbers(fields.get("map"), 3, onEarth) as State["map"],
  };
}

/** Write a hash that people can read: slashes and commas stay as they are. */
export function format(state: State): string {
  const parts: string[] = [];
  if (state.cube) parts.push(`cube=${state.cube}`);
  if (state.cube && state.slot >= 0) parts.push(`slot=${state.slot}`);
  if (state.cube && state.view) parts.push(`view=${encodeURIComponent(state.view)}`);
  if (state.cube && state.model) parts.push(`model=${encodeURIComponent(state.model)}`);
  if (state.cube && state.range) parts.push(`range=${state.range.join(",")}`);
  if (state.cube && state.place) parts.push(`place=${state.place.join(",")}`);
  if (state.map) parts.push(`map=${state.map.join(",")}`);
  return `#${parts.join("&")}`;
}
