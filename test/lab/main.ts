// `npm run lab -- --list | <case>… [--json] | --matrix [--write]`: firmware in emulated machines, against the real peer.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pc from 'picocolors';
import { ROOT } from '../../tools/cache.ts';
import { type BootCase, type BootRow, runBootCase } from './boot-case.ts';
import { BOOT_CASES } from './boot-cases.ts';
import { HOST_KILLED_CASES, runHostKilledCases } from './host-killed-main.ts';
import { CACHE } from './lab.ts';
import { matrixTable, powerOnTable, withMatrix } from './matrix.ts';

const USAGE = `Usage: npm run lab -- --list
       npm run lab -- <case>… [--json]
       npm run lab -- --matrix [--again] [--write] [--json]`;
/** For a row that is known not to come up: long enough to see that it does not. */
const STOPPED_LIMIT_MS = 60_000;
/** Rows that were run: a matrix takes half an hour, and may be run in parts. */
const RESULTS = join(CACHE, 'lab-rows.json');

const PAGES = [
  ['hardware.md', matrixTable],
  ['benchmarks/power-on.md', powerOnTable],
] as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      matrix: { type: 'boolean', default: false },
      again: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.list) {
    for (const one of BOOT_CASES)
      console.log(values.json ? JSON.stringify(one) : `${one.name.padEnd(28)} to ${one.ends}`);
    for (const name of HOST_KILLED_CASES)
      console.log(values.json ? JSON.stringify({ name }) : `${name.padEnd(28)} to disk`);
    return 0;
  }
  const killed = await runHostKilledCases(positionals, values.json);
  if (killed !== undefined) return killed;
  let known = readResults();
  const wanted = values.matrix
    ? BOOT_CASES.filter(({ name }) => values.again || known.get(name) === undefined)
    : positionals.map((name) => BOOT_CASES.find((one) => one.name === name));
  if (wanted.includes(undefined) || (!values.matrix && !values.write && wanted.length === 0)) {
    console.error(USAGE);
    return 2;
  }
  let failed = 0;
  for (const one of wanted) {
    if (one === undefined) continue;
    const row = await runOne(one);
    // Read anew: another part of the matrix may have been run meanwhile.
    known = readResults().set(one.name, row);
    writeFileSync(RESULTS, `${JSON.stringify([...known.values()], null, 1)}\n`);
    if (!row.ok && one.stopped === undefined) failed += 1;
    console.log(values.json ? JSON.stringify(row) : shown(one, row));
  }
  if (values.write) {
    for (const [name, tableOf] of PAGES) {
      const page = join(ROOT, 'docs', name);
      writeFileSync(page, withMatrix(readFileSync(page, 'utf8'), tableOf(BOOT_CASES, known)));
    }
  }
  return failed === 0 ? 0 : 1;
}

async function runOne(one: BootCase): Promise<BootRow> {
  try {
    return await (one.stopped === undefined ? runBootCase(one) : runBootCase(one, STOPPED_LIMIT_MS));
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return { case: one.name, ok: false, chain: undefined, seconds: {}, given: [], fetched: [], error: what };
  }
}

function shown(one: BootCase, row: BootRow): string {
  const mark = row.ok ? pc.green('✓') : one.stopped === undefined ? pc.red('✗') : pc.yellow('–');
  const seconds = Object.entries(row.seconds).map(([moment, at]) => `${moment} ${at} s`);
  return `${mark} ${one.name.padEnd(28)} ${row.chain ?? ''} ${seconds.join(', ')} ${one.stopped ?? row.error ?? ''}`;
}

function readResults(): Map<string, BootRow> {
  if (!existsSync(RESULTS)) return new Map();
  const rows = JSON.parse(readFileSync(RESULTS, 'utf8')) as BootRow[];
  return new Map(rows.map((row) => [row.case, row]));
}

process.exit(await main());
