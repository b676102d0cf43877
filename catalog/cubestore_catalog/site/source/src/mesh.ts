// A part of a cube's grid as triangles on the Mercator map, cut fine enough that straight edges do no harm.

import { type Box, type Cube, lonLat } from "./cube";
import type { Point } from "./projection";

const DEGREE = Math.PI / 180;

/** Longitude and latitude on the square Mercator world, 0 to 1, y from the north. */
export function mercator([lon, lat]: Point): Point {
  const y = Math.log(Math.tan(Math.PI / 4 + (lat * DEGREE) / 2));
  return [(lon + 180) / 360, (1 - y / Math.PI) / 2];
}

/** Cells along a side: over 64 km the sagitta of a UTM line stays below its pixel with 8, and tiles get 32. */
const cells = (pixels: number, pixel: number): number =>
  Math.min(Math.max(Math.ceil((pixels * pixel) / 8_000), 2), 48);

/** Triangles: x, y (Mercator, from the cube's corner), u, v (0 to 1 on the texture) of each corner. */
export interface Mesh {
  vertices: Float32Array;
  indices: Uint16Array;
}

/** The Mercator position that a cube's meshes count from: with it 32 bits are centimetres, without metres. */
export const anchor = (cube: Cube): Point => mercator(lonLat(cube, 0, 0));

/** Return the triangles of a box of the grid; its texture spans it exactly. */
export function mesh(cube: Cube, box: Box, [x0, y0]: Point): Mesh {
  const n = cells(Math.max(box.right - box.left, box.bottom - box.top), cube.pixel);
  const vertices: number[] = [];
  for (let i = 0; i <= n; i++)
    for (let j = 0; j <= n; j++) {
      const row = box.top + ((box.bottom - box.top) * i) / n;
      const column = box.left + ((box.right - box.left) * j) / n;
      const [x, y] = mercator(lonLat(cube, row, column));
      vertices.push(x - x0, y - y0, j / n, i / n);
    }
  return { vertices: new Float32Array(vertices), indices: triangles(n) };
}

function triangles(n: number): Uint16Array {
  const indices: number[] = [];
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const at = i * (n + 1) + j;
      indices.push(at, at + 1, at + n + 1, at + 1, at + n + 2, at + n + 1);
    }
  return new Uint16Array(indices);
}
