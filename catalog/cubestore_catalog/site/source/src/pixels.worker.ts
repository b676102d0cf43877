// A worker: reads chunks of cubes by byte range, decodes and paints them. The bytes never pass the page's thread.

import type { Array as ZarrArray } from "zarrita";
import { paint, type Recipe } from "./colour";
import { arrayOf, keyOf, type Metadata } from "./cube";
import { reasonOf } from "./service";

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

/** What it is told: chunks, by `keyOf`, that nobody waits for any more. */
export interface Dropped {
  dropped: string[];
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
const reading = new Map<string, AbortController>();

function opened({ path, name, metadata }: Task): ZarrArray<"int16"> {
  const key = `${path}/${name}/${metadata.shape.join()}`;
  if (!arrays.has(key)) arrays.set(key, arrayOf(path, name, metadata) as ZarrArray<"int16">);
  return arrays.get(key)!;
}

function read(task: Task, key: string): Promise<ArrayLike<number>> {
  const controller = new AbortController();
  const { signal } = controller;
  reading.set(key, controller);
  const at = [task.slot, 0, task.row, task.column];
  const found = opened(task).getChunk(at, { signal }).then(({ data }) => data);
  found.catch(() => signal.aborted || decoded.delete(key)).finally(() => signal.aborted || reading.delete(key));
  return found;
}

/** Read a chunk no further: who asks for it again begins anew. */
function drop(key: string): void {
  reading.get(key)?.abort();
  if (reading.delete(key)) decoded.delete(key);
}

/** The stored numbers of a chunk; the last that were asked for are kept. */
function chunk(task: Task): Promise<ArrayLike<number>> {
  const key = keyOf(task);
  const found = decoded.get(key) ?? read(task, key);
  decoded.delete(key);
  decoded.set(key, found);
  if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value!);
  return found;
}

async function answer(task: Task): Promise<Result> {
  try {
    const side = opened(task).chunks.at(-1)!;
    const { rgba, empty } = paint(await chunk(task), side * side, task.recipe);
    return empty ? { id: task.id } : { id: task.id, rgba };
  } catch (error) {
    return { id: task.id, error: `${task.path} could not be read: ${reasonOf(error as Error)}` };
  }
}

self.onmessage = async ({ data }: MessageEvent<Task | Dropped>) => {
  if ("dropped" in data) return data.dropped.forEach(drop);
  const result = await answer(data);
  self.postMessage(result, { transfer: result.rgba ? [result.rgba.buffer] : [] });
};
