// What the page asks the service: each question a function, each refusal an error with the service's reason.

/** An answer that is no success; its message is the service's own reason. */
export class ServiceError extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.name = "ServiceError";
    this.status = status;
  }
}

/** The service's root: the page and its workers lie one folder below it, wherever it is mounted. */
export const ROOT = new URL("../", self.location.href);

export const address = (path: string): string => new URL(path, ROOT).href;

async function reason(response: Response): Promise<string> {
  const body = (await response.json().catch(() => null)) as { description?: string } | null;
  return body?.description ?? `The service answered ${response.status} ${response.statusText}`;
}

const SILENT = "The service does not answer: is `cubestore serve` still running?";

/** What went wrong, in words for people: browsers say of a silent host no more than that a fetch failed. */
export const reasonOf = (error: Error): string =>
  error.name === "TypeError" && /fetch|network|load failed/i.test(error.message) ? SILENT : error.message;

async function answer(path: string, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(address(path), { signal }).catch((error: Error) => {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(SILENT, 0);
  });
  if (!response.ok) throw new ServiceError(await reason(response), response.status);
  return response;
}

/** Ask for JSON. */
export const ask = async <T>(path: string, signal?: AbortSignal): Promise<T> =>
  (await (await answer(path, signal)).json()) as T;

/** Rows and columns of a cube's grid, as the service writes them: top, left, bottom, right. */
export type Window = [top: number, left: number, bottom: number, right: number];

/** A picture that the service drew, and what of the cube it shows. */
export interface Picture {
  bitmap: ImageBitmap;
  window: Window;
}

/** Ask for a picture; nothing of it is drawn yet. */
export async function picture(path: string, signal?: AbortSignal): Promise<Picture> {
  const response = await answer(path, signal);
  const window = response.headers.get("X-Window")!.split(",").map(Number) as Window;
  // As stored: neither multiplied by alpha nor fitted to the screen's colours.
  const how = { premultiplyAlpha: "none", colorSpaceConversion: "none" } as const;
  return { bitmap: await createImageBitmap(await response.blob(), how), window };
}

/** What of the cube a slot's picture would show. */
export interface Placed {
  window: Window;
}

/** A place through time, sorted by time. */
export interface Series {
  lon: number;
  lat: number;
  units: string;
  time: string[];
  slot: number[];
  item_id: string[];
  cloud_class: number[] | null;
  bands: Record<string, (number | null)[]>;
}

/** A chip that looks alike. */
export interface Neighbour {
  chipid: string;
  distance: number;
  datetime: string;
  /** Of its cube. */
  path: string;
  tile: string;
  slot: number;
}

export type Neighbours = GeoJSON.FeatureCollection<GeoJSON.Polygon | GeoJSON.MultiPolygon, Neighbour>;

export const series = (path: string, lon: number, lat: number, signal: AbortSignal) =>
  ask<Series>(`series/${path}?lon=${lon}&lat=${lat}`, signal);

/** Where a chip's picture lies, wherever the service is reached. */
export const thumbnail = ({ chipid }: Neighbour): string => address(`chip/${encodeURIComponent(chipid)}.png`);

export const similar = (question: Record<string, string>, signal: AbortSignal) =>
  ask<Neighbours>(`search/similar?${new URLSearchParams(question)}`, signal);
