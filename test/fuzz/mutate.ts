// Breaks good bytes as an attacker or a bad cable would: cut, dropped, inserted, overwritten, repeated, swapped.
import { concatBytes } from '../../src/base/bytes.ts';
import { type Random, randomInt } from '../../src/base/random.ts';

export interface Mutation {
  readonly seeds: readonly Uint8Array[];
  /** Bytes where this protocol's parser may lose its way: lengths, type codes, separators. */
  readonly awkward: readonly number[];
  /** From where on half of the changes shall fall. */
  readonly interestingAt?: number;
}

export function mutate(
  seed: Uint8Array,
  random: Random,
  { seeds, awkward, interestingAt = 0 }: Mutation,
): Uint8Array {
  let bytes: Uint8Array = seed.slice();
  const changes = 1 + randomInt(random, 4);
  for (let change = 0; change < changes && bytes.length > 0; change++) {
    const at =
      randomInt(random, 2) === 0
        ? Math.min(interestingAt + randomInt(random, bytes.length), bytes.length - 1)
        : randomInt(random, bytes.length);
    switch (randomInt(random, 14)) {
      case 0:
        bytes = bytes.slice(0, at);
        break;
      case 1:
        bytes = concatBytes([bytes.subarray(0, at), bytes.subarray(at + randomInt(random, 8))]);
        break;
      case 2: {
        const extra = Uint8Array.from({ length: randomInt(random, 40) }, () => randomInt(random, 256));
        bytes = concatBytes([bytes.subarray(0, at), extra, bytes.subarray(at)]);
        break;
      }
      case 3: {
        // Another message's end behind this one's beginning.
        const other = seeds[randomInt(random, seeds.length)] as Uint8Array;
        bytes = concatBytes([bytes.subarray(0, at), other.subarray(randomInt(random, other.length))]);
        break;
      }
      case 4: {
        const part = bytes.slice(at, at + 1 + randomInt(random, 16));
        bytes = concatBytes([
          bytes.subarray(0, at),
          ...Array.from({ length: randomInt(random, 20) }, () => part),
          bytes.subarray(at),
        ]);
        break;
      }
      case 5:
      case 6:
      case 7:
        bytes[at] = awkward[randomInt(random, awkward.length)] as number;
        break;
      default:
        bytes[at] = randomInt(random, 256);
    }
  }
  return bytes;
}
