// `npm run bench -- <name|all> [--json]`: runs benchmarks one after the other and prints their ratios.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bench, type BenchRow, meetsGoal } from './bench.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(here)
  .filter((file) => file.endsWith('.ts') && !['bench.ts', 'main.ts'].includes(file))
  .map((file) => file.slice(0, -'.ts'.length));

const words = process.argv.slice(2);
const json = words.includes('--json');
const chosen = words.filter((word) => !word.startsWith('--'));
const toRun = chosen.includes('all') ? names : chosen;
const unknown = toRun.filter((name) => !existsSync(join(here, `${name}.ts`)));
if (toRun.length === 0 || unknown.length > 0) {
  if (unknown.length > 0) console.error(`No benchmark called ${unknown.join(', ')}.`);
  console.error(`Usage: npm run bench -- <name|all> [--json]\nBenchmarks: ${names.join(', ')}`);
  process.exit(2);
}

const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

function line(row: BenchRow): string {
  const met = meetsGoal(row);
  const goal =
    row.goal === undefined
      ? ''
      : `  goal ${row.goal.better === 'below' ? '≤' : '≥'} ${row.goal.bound}${row.goal.absolute === true ? ` ${row.unit}` : ''}: ${met === true ? 'met' : 'missed'}`;
  return `  ${row.work}: ${number(row.ours)} ${row.unit}, ${row.rivalName} ${number(row.rival)} ${row.unit}, ratio ${row.ratio.toFixed(2)}${goal}`;
}

const results: { name: string; rows: readonly BenchRow[] }[] = [];
for (const name of toRun) {
  const { bench } = (await import(`./${name}.ts`)) as { bench: Bench };
  const folder = mkdtempSync(join(tmpdir(), `peerboot-bench-${name}-`));
  if (!json) console.log(`${bench.name}: ${bench.about}`);
  try {
    const rows = await bench.run({ folder, progress: (message) => console.error(`  … ${message}`) });
    results.push({ name: bench.name, rows });
    if (!json) console.log(rows.map(line).join('\n'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
if (json) console.log(JSON.stringify({ benches: results }));
