// What a node holds as a mesh is told: one bit a chunk, the first chunk in the highest bit of the first byte.
import type { LineCore } from './line-core.ts';
import type { Row } from './line-ports.ts';

export function heldBits(core: LineCore): Uint8Array {
  const { rows } = core.setup;
  const bits = new Uint8Array(Math.ceil(rows / 8));
  for (let row = 0; row < rows; row++)
    if (core.has(row)) bits[row >> 3] = (bits[row >> 3] as number) | (0x80 >> (row & 7));
  return bits;
}

/** A row beyond the bits is not held. */
export function hasBit(bits: Uint8Array, row: Row): boolean {
  return ((bits[row >> 3] ?? 0) & (0x80 >> (row & 7))) !== 0;
}
