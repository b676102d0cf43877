// Blosc as the store writes it (version 1, LZ4, shuffled or not). The usual decoder in WebAssembly builds
// functions from text, which the page's security policy forbids; this one needs no policy at all.
// The format: c-blosc, README_CHUNK_FORMAT.rst; LZ4: lz4_Block_format.md.

const HEADER = 16;
const LZ4 = 1;

/** Blocks are split by byte of the type where it has at most so many, and enough elements. */
const [MOST_SPLITS, FEWEST_ELEMENTS] = [16, 128];

interface Chunk {
  shuffled: boolean;
  copied: boolean;
  bitshuffled: boolean;
  whole: boolean;
  typesize: number;
  bytes: number;
  blocksize: number;
}

function header(view: DataView): Chunk {
  const flags = view.getUint8(2);
  const chunk = {
    shuffled: !!(flags & 1),
    copied: !!(flags & 2),
    bitshuffled: !!(flags & 4),
    whole: !!(flags & 16),
    typesize: view.getUint8(3),
    bytes: view.getUint32(4, true),
    blocksize: view.getUint32(8, true),
  };
  if (!chunk.copied && flags >> 5 !== LZ4) throw new Error("Blosc with another compressor than LZ4");
  return chunk;
}

/** A length that goes on as long as its bytes are 255. */
function longer(from: Uint8Array, at: number, length: number): [length: number, at: number] {
  if (length < 15) return [length, at];
  let byte: number;
  do length += byte = from[at++]!;
  while (byte === 255);
  return [length, at];
}

/** Unpack one LZ4 block into all of `to`. */
export function lz4(from: Uint8Array, to: Uint8Array): void {
  let [at, out, length] = [0, 0, 0];
  while (at < from.length) {
    const token = from[at++]!;
    [length, at] = longer(from, at, token >> 4);
    to.set(from.subarray(at, at + length), out);
    at += length;
    out += length;
    if (at >= from.length) break;
    const distance = from[at]! | (from[at + 1]! << 8);
    [length, at] = longer(from, at + 2, token & 15);
    // Byte by byte: what is copied may overlap what is being written.
    for (const end = out + length + 4; out < end; out++) to[out] = to[out - distance]!;
  }
  if (out !== to.length) throw new Error(`LZ4 unpacked ${out} bytes of ${to.length}`);
}

/** Bits 0 to 3 (4 to 7) of a byte as the lowest bits of four bytes. */
const spread = (first: number) =>
  Int32Array.from({ length: 256 }, (_, byte) =>
    [0, 1, 2, 3].reduce((all, i) => all | (((byte >> (first + i)) & 1) << (8 * i)), 0),
  );
const [LOW, HIGH] = [spread(0), spread(4)];

function bitunshuffle(from: Uint8Array, to: Uint8Array, typesize: number): void {
  const eighth = Math.floor(to.length / typesize) / 8;
  if (!Number.isInteger(eighth)) return to.set(from);
  for (let byte = 0; byte < typesize; byte++)
    for (let i = 0; i < eighth; i++) {
      let [low, high] = [0, 0];
      for (let bit = 0; bit < 8; bit++) {
        const found = from[(8 * byte + bit) * eighth + i]!;
        low |= LOW[found]! << bit;
        high |= HIGH[found]! << bit;
      }
      for (let k = 0; k < 4; k++) {
        to[(8 * i + k) * typesize + byte] = low >>> (8 * k);
        to[(8 * i + 4 + k) * typesize + byte] = high >>> (8 * k);
      }
    }
  to.set(from.subarray(8 * eighth * typesize), 8 * eighth * typesize);
}

function unshuffle(from: Uint8Array, to: Uint8Array, typesize: number): void {
  const elements = Math.floor(to.length / typesize);
  for (let byte = 0; byte < typesize; byte++)
    for (let i = 0; i < elements; i++) to[i * typesize + byte] = from[byte * elements + i]!;
  to.set(from.subarray(elements * typesize), elements * typesize);
}

function block(data: Uint8Array, start: number, chunk: Chunk, to: Uint8Array): void {
  const { typesize, blocksize } = chunk;
  const enough = blocksize / typesize >= FEWEST_ELEMENTS && typesize <= MOST_SPLITS;
  const splits = enough && !chunk.whole && to.length === blocksize ? typesize : 1;
  const unpacked = chunk.shuffled || chunk.bitshuffled ? new Uint8Array(to.length) : to;
  const view = new DataView(data.buffer, data.byteOffset);
  const size = to.length / splits;
  for (let split = 0; split < splits; split++) {
    const length = view.getInt32(start, true);
    const part = data.subarray(start + 4, start + 4 + length);
    const into = unpacked.subarray(split * size, (split + 1) * size);
    if (length === size) into.set(part);
    else lz4(part, into);
    start += 4 + length;
  }
  if (chunk.bitshuffled) bitunshuffle(unpacked, to, typesize);
  else if (chunk.shuffled) unshuffle(unpacked, to, typesize);
}

/** Decode a chunk. */
export function decode(data: Uint8Array): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const chunk = header(view);
  const decoded = new Uint8Array(chunk.bytes);
  if (chunk.copied) decoded.set(data.subarray(HEADER, HEADER + chunk.bytes));
  else
    for (let at = 0, i = 0; at < chunk.bytes; at += chunk.blocksize, i++) {
      const start = view.getInt32(HEADER + 4 * i, true);
      block(data, start, chunk, decoded.subarray(at, at + chunk.blocksize));
    }
  return decoded;
}

/** The codec, as zarrita's registry wants it. */
export const blosc = {
  fromConfig: () => ({
    kind: "bytes_to_bytes" as const,
    decode: async (data: Uint8Array) => decode(data),
    encode: async (): Promise<Uint8Array> => {
      throw new Error("This page only reads");
    },
  }),
};
