// A worker: reads chunks of cubes by byte range, decodes and paints them. The bytes never pass the page's thread.

import type { Array as ZarrArray } from "zarrita";
import { paint, type Recipe } from "./colour";
import { arrayOf, type Metadata } from "./cube";

/** What a worker is asked. */
export interface Task {
  id: number;
  path: string;
  name: string;
  metadata: Metadata;
  slot: number;
  row: number;
  column: number;
  recipe: Recipe;
}

/** What it answers: colours, nothing where nothing is stored, or what went wrong. */
export interface Result {
  id: number;
  rgba?: Uint8ClampedArray<ArrayBuffer>;
  error?: string;
}

/** Chunks that are kept decoded, so that another view of them reads nothing: some 60 MB of ten bands. */
const KEPT = 192;

const arrays = new Map<string, ZarrArray<"int16">>();
const decoded = new Map<string, Promise<ArrayLike<number>>>();

function opened({ path, name, metadata }: Task): ZarrArray<"int16"> {
  const key = `${path}/${name}/${metadata.shape.join()}`;
  if (!arrays.has(key)) arrays.set(key, arrayOf(path, name, metadata) as ZarrArray<"int16">);
  return arrays.get(key)!;
}

/** The stored numbers of a chunk; the last that were asked for are kept. */
function chunk(task: Task): Promise<ArrayLike<number>> {
  const key = [task.path, task.slot, task.row, task.column].join();
  const found =
    decoded.get(key) ??
    opened(task).getChunk([task.slot, 0, task.row, task.column]).then(({ data }) => data);
  decoded.delete(key);
  decoded.set(key, found);
  found.catch(() => decoded.delete(key));
  if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value!);
  return found;
}

async function answer(task: Task): Promise<Result> {
  try {
    const side = opened(task).chunks.at(-1)!;
    const { rgba, empty } = paint(await chunk(task), side * side, task.recipe);
    return empty ? { id: task.id } : { id: task.id, rgba };
  } catch (error) {
    return { id: task.id, error: `${task.path} could not be read: ${(error as Error).message}` };
  }
}

self.onmessage = async ({ data }: MessageEvent<Task>) => {
  const result = await answer(data);
  self.postMessage(result, { transfer: result.rgba ? [result.rgba.buffer] : [] });
};
