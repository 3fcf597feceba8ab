// `npm run fuzz -- [protocol…] [--seed n] [--count n]`: a million broken messages for each protocol, by seed.
import { parseArgs } from 'node:util';
import { fuzz } from '../test/fuzz/fuzz.ts';
import { FUZZ_TARGETS } from '../test/fuzz/targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() >>> 0) },
    count: { type: 'string', default: '1000000' },
  },
});
const [seed, count] = [Number(values.seed), Number(values.count)];
const names = positionals.length === 0 ? Object.keys(FUZZ_TARGETS) : positionals;
const unknown = names.filter((name) => FUZZ_TARGETS[name] === undefined);
if (unknown.length > 0 || !Number.isInteger(seed) || !Number.isInteger(count) || count < 1) {
  if (unknown.length > 0) console.error(`No protocol called ${unknown.join(', ')}.`);
  console.error('Usage: npm run fuzz -- [protocol…] [--seed n] [--count n]');
  console.error(`Protocols: ${Object.keys(FUZZ_TARGETS).join(', ')}`);
  process.exit(2);
}
console.log(`seed ${seed}`);
for (const name of names) {
  const target = FUZZ_TARGETS[name]?.();
  if (target === undefined) continue;
  const { rounds, stages, slowestMs } = fuzz(target, count, seed);
  const reached = Object.entries(stages)
    .sort(([, a], [, b]) => b - a)
    .map(([stage, times]) => `${stage} ${times}`);
  console.log(`${name}: ${rounds} messages, slowest ${slowestMs} ms; ${reached.join(', ')}`);
}
