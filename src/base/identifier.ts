// Short, stable names made from longer ones: the same machine gets the same id at every peer and after every restart.

const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const LETTERS = 8;

/**
 * `m-` and eight letters or digits that cannot be taken for one another (no i, l, o, 0, 1); 31^8 ids, so that two of
 * 4,096 machines share one with a chance of 1 in 100,000. Not a secret and not a proof: anybody can compute it.
 */
export function machineId(key: string): string {
  // Two 32-bit FNV-1a passes with different bases, then mixed as in MurmurHash3's finaliser.
  let rest = (BigInt(hash(key, 0x811c9dc5)) << 32n) | BigInt(hash(key, 0x5bd1e995));
  let id = 'm-';
  for (let i = 0; i < LETTERS; i++) {
    id += ALPHABET[Number(rest % BigInt(ALPHABET.length))];
    rest /= BigInt(ALPHABET.length);
  }
  return id;
}

function hash(text: string, basis: number): number {
  let state = basis;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}
