// Well-mixed numbers out of texts, the same on every machine: for elections and for telling sites apart, never a secret.

export interface Mixed {
  readonly high: number;
  readonly low: number;
}

/** 64 bits, as two unsigned halves. Two lanes with different multipliers, each stirred into the other at the end. */
export function mix(text: string): Mixed {
  let high = 0x9e3779b9;
  let low = 0x7f4a7c15;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x2c1b3c6d);
    low = Math.imul(low ^ unit, 0x297a2d39);
    // Without it a unit would only ever reach the bits above its own.
    high ^= high >>> 15;
    low ^= low >>> 13;
  }
  high = finish(high ^ text.length);
  low = finish(low + high);
  high = finish(high + low);
  return { high: high >>> 0, low: low >>> 0 };
}

/** 53 bits, which a number holds exactly. */
export function mixNumber(text: string): number {
  const { high, low } = mix(text);
  return high * 2 ** 21 + (low >>> 11);
}

/** The finaliser of MurmurHash3: each bit of the input flips each bit of the result half of the time. */
function finish(value: number): number {
  let state = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
