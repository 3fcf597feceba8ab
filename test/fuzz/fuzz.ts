// Runs fuzz targets by seed: nothing may throw or stand still, and what each target holds on to stays in bounds.
import { type Random, seededRandom } from '../../src/base/random.ts';
import { type Mutation, mutate } from './mutate.ts';

export interface FuzzTarget extends Mutation {
  readonly name: string;
  /** One broken message. Throws when a promise of the protocol is broken; returns how far the message came, for counting. */
  feed(bytes: Uint8Array, random: Random): string;
}

export interface FuzzResult {
  readonly name: string;
  readonly rounds: number;
  /** How many messages came how far: a mutation that never reaches a stage proves nothing about it. */
  readonly stages: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

/** A message that keeps the parser busy for so long counts as a hang; generous, for other work may hold the processor. */
const HANG_MS = 2_000;

/** Throws with the seed, the round and the bytes of the first message that breaks something. */
export function fuzz(target: FuzzTarget, rounds: number, seed: number): FuzzResult {
  const random = seededRandom(seed);
  const stages: Record<string, number> = {};
  let slowestMs = 0;
  for (let round = 0; round < rounds; round++) {
    const bytes = mutate(target.seeds[round % target.seeds.length] as Uint8Array, random, target);
    const startedMs = performance.now();
    let stage: string;
    try {
      stage = target.feed(bytes, random);
    } catch (error) {
      const hex = Buffer.from(bytes).toString('hex');
      throw new Error(`${target.name}, seed ${seed}, round ${round}, message ${hex}`, { cause: error });
    }
    const tookMs = performance.now() - startedMs;
    if (tookMs > HANG_MS) throw new Error(`${target.name}, seed ${seed}, round ${round}: ${tookMs} ms`);
    slowestMs = Math.max(slowestMs, tookMs);
    stages[stage] = (stages[stage] ?? 0) + 1;
  }
  return { name: target.name, rounds, stages, slowestMs: Math.round(slowestMs) };
}
