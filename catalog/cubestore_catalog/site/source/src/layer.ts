// A layer of MapLibre that draws textured pieces of a cube: nearest pixel, no colour changed.

import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from "maplibre-gl";
import type { Mesh } from "./mesh";
import type { Point } from "./projection";

const VERTEX = `#version 300 es
uniform mat4 matrix;
in vec4 corner;
out vec2 at;
void main() {
  at = corner.zw;
  gl_Position = matrix * vec4(corner.xy, 0.0, 1.0);
}`;

// Where a fragment falls between its piece and the next, it still belongs to the piece.
const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D pixels;
in vec2 at;
out vec4 colour;
void main() {
  ivec2 size = textureSize(pixels, 0);
  ivec2 pixel = clamp(ivec2(floor(at * vec2(size))), ivec2(0), size - 1);
  vec4 found = texelFetch(pixels, pixel, 0);
  colour = vec4(found.rgb * found.a, found.a);
}`;

/** A tile may reach beyond the antimeridian: what lies there is seen at the map's other end. */
const WORLDS = [-1, 0, 1];

/** Colours of a piece: rows from the north, not multiplied by alpha. */
export type Colours =
  | { rgba: Uint8ClampedArray<ArrayBuffer>; width: number; height: number }
  | ImageBitmap;

interface Piece {
  texture: WebGLTexture;
  vertices: WebGLBuffer;
  indices: WebGLBuffer;
  count: number;
}

function compiled(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "corner");
  gl.linkProgram(program);
  return program;
}

function buffer(gl: WebGL2RenderingContext, target: number, data: AllowSharedBufferSource): WebGLBuffer {
  const made = gl.createBuffer();
  gl.bindBuffer(target, made);
  gl.bufferData(target, data, gl.STATIC_DRAW);
  return made;
}

function texture(gl: WebGL2RenderingContext, colours: Colours): WebGLTexture {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  const [format, type] = [gl.RGBA, gl.UNSIGNED_BYTE];
  if ("rgba" in colours) {
    const { rgba, width, height } = colours;
    const bytes = new Uint8Array(rgba.buffer);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, format, type, bytes);
  } else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, format, type, colours);
  return made;
}

/** The matrix from a piece's coordinates to the screen, in double precision until it is handed over. */
function shifted(matrix: ArrayLike<number>, [x, y]: Point): Float32Array {
  const moved = Float64Array.from(matrix);
  for (let i = 0; i < 4; i++) moved[12 + i]! += matrix[i]! * x + matrix[4 + i]! * y;
  return new Float32Array(moved);
}

/** Pieces of one cube, drawn in the order in which they came. */
export class PixelLayer implements CustomLayerInterface {
  readonly type = "custom";
  anchor: Point = [0, 0];
  /** What each piece shows, empty ones too. */
  readonly stamps = new Map<string, string>();
  readonly #pieces = new Map<string, Piece>();
  #map?: MapLibre;
  #gl?: WebGL2RenderingContext;
  #program?: WebGLProgram;

  constructor(readonly id: string) {}

  /** The map's graphics are new: of those that are lost nothing is left. */
  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.#pieces.clear();
    this.stamps.clear();
    this.#map = map;
    this.#gl = gl;
    this.#program = compiled(gl);
  }

  keys = (): string[] => [...new Set([...this.#pieces.keys(), ...this.stamps.keys()])];

  put(key: string, mesh: Mesh, colours: Colours): void {
    const gl = this.#gl;
    if (!gl) return;
    gl.bindVertexArray(null);
    this.remove([key]);
    this.#pieces.set(key, {
      texture: texture(gl, colours),
      vertices: buffer(gl, gl.ARRAY_BUFFER, mesh.vertices),
      indices: buffer(gl, gl.ELEMENT_ARRAY_BUFFER, mesh.indices),
      count: mesh.indices.length,
    });
    this.#map?.triggerRepaint();
  }

  remove(keys: Iterable<string>): void {
    for (const key of keys) {
      this.stamps.delete(key);
      const piece = this.#pieces.get(key);
      if (!piece) continue;
      this.#gl?.deleteTexture(piece.texture);
      this.#gl?.deleteBuffer(piece.vertices);
      this.#gl?.deleteBuffer(piece.indices);
      this.#pieces.delete(key);
    }
    this.#map?.triggerRepaint();
  }

  render(gl: WebGL2RenderingContext, { defaultProjectionData }: CustomRenderMethodInput): void {
    const program = this.#program!;
    gl.useProgram(program);
    gl.bindVertexArray(null);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.disable(gl.CULL_FACE);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.activeTexture(gl.TEXTURE0);
    gl.enableVertexAttribArray(0);
    for (const world of WORLDS) {
      const anchor: Point = [this.anchor[0] + world, this.anchor[1]];
      const matrix = shifted(defaultProjectionData.mainMatrix as ArrayLike<number>, anchor);
      gl.uniformMatrix4fv(gl.getUniformLocation(program, "matrix"), false, matrix);
      this.#draw(gl);
    }
  }

  #draw(gl: WebGL2RenderingContext): void {
    for (const piece of this.#pieces.values()) {
      gl.bindTexture(gl.TEXTURE_2D, piece.texture);
      gl.bindBuffer(gl.ARRAY_BUFFER, piece.vertices);
      gl.vertexAttribPointer(0, 4, gl.FLOAT, false, 16, 0);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, piece.indices);
      gl.drawElements(gl.TRIANGLES, piece.count, gl.UNSIGNED_SHORT, 0);
    }
  }
}
