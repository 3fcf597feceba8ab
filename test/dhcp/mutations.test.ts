// 100,000 packets, broken at random from the captures, go through decode, classify, decide and encode: nothing may throw.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { ANY_ADDRESS } from '../../src/base/addresses.ts';
import { concatBytes } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { type Random, randomInt, seededRandom } from '../../src/base/random.ts';
import { classifyClient } from '../../src/boot/client.ts';
import { decideReply } from '../../src/boot/reply.ts';
import { describePacket } from '../../src/dhcp/describe.ts';
import { decodePacket, encodePacket } from '../../src/dhcp/packet.ts';
import { TEST_CONTEXT } from '../support/boot-context.ts';
import { mustDecode } from '../support/dhcp-packets.ts';
import { readPcap } from '../support/pcap.ts';

const ROUNDS = 100_000;
/** Options that would give or imply an address: those are the site's own server's to give. */
const ADDRESS_OPTIONS = [1, 3, 6, 50, 51, 58, 59];

function mutate(seed: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = seed.slice();
  const changes = 1 + randomInt(random, 4);
  for (let i = 0; i < changes; i++) {
    const at =
      randomInt(random, 2) === 0 ? 236 + randomInt(random, bytes.length) : randomInt(random, bytes.length);
    switch (randomInt(random, 12)) {
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
      case 3:
      case 4:
        // An option's length, or the overload option: where a parser loses its way.
        bytes[at % bytes.length] = [0, 1, 52, 82, 255, 97, 43, 175][randomInt(random, 8)] as number;
        break;
      default:
        bytes[at % bytes.length] = randomInt(random, 256);
    }
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}

it(`${ROUNDS} mutated packets: no crash, no address given away`, () => {
  const folder = fileURLToPath(new URL('../fixtures/pcaps/', import.meta.url));
  const seeds = readdirSync(folder)
    .filter((name) => name.endsWith('.pcap'))
    .flatMap((name) => readPcap(join(folder, name)))
    .filter(({ target }) => [67, 4011].includes(target.port))
    .map(({ payload }) => payload);
  expect(seeds.length).toBeGreaterThan(40);
  const random = seededRandom(20261122);
  const counts = { malformed: 0, silent: 0, answered: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const packet = decodePacket(mutate(seeds[round % seeds.length] as Uint8Array, random));
    if (packet instanceof WireError) {
      counts.malformed += 1;
      continue;
    }
    describePacket(packet);
    const decision = decideReply(packet, classifyClient(packet), {
      ...TEST_CONTEXT,
      arrivedPort: round % 8 === 0 ? 4011 : 67,
      chain: round % 3 === 0,
    });
    if (decision.kind === 'ignore') {
      counts.silent += 1;
      continue;
    }
    counts.answered += 1;
    const sent = mustDecode(encodePacket(decision.packet));
    if (sent.yiaddr !== ANY_ADDRESS) throw new Error('an address was given');
    if (ADDRESS_OPTIONS.some((code) => sent.options.has(code)))
      throw new Error('an address option was given');
  }
  // The mutations must reach every stage, or they prove nothing.
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(5_000);
});
