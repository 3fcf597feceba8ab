// The roof of the simulator: `npm run sim -- --targets 16 …` from words to one line of JSON or a picture for people.
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import { PeerbootError } from './base/errors.ts';
import { colours, exitStatusOf, formatTable, printJson, reportError } from './command/terminal.ts';
import { runEstate } from './sim/estate.ts';
import { makeFaultCase, runFaultCase } from './sim/fault-case.ts';
import { GOALS, tryGoal } from './sim/goals.ts';
import { realParts, STRATEGIES } from './sim/parts.ts';
import {
  duration,
  estateRows,
  estateSentence,
  GOAL_HEADS,
  goalRows,
  outcomeRows,
  outcomeSentence,
  progressLine,
} from './sim/picture.ts';
import { reportOf } from './sim/report.ts';
import { DEFAULT_SCENARIO, runScenario, type Scenario, strategyOf } from './sim/scenario.ts';
import { parseTopology } from './sim/topology.ts';
import { traceObserver } from './sim/trace.ts';
import type { World } from './sim/world.ts';

const BYTES_PER_MS_OF_MBIT = 125;
const SOAK_SEEDS = 10_000;
/** Machines² × chunks: above it beacons would cost more than all the rest. */
const MOST_BEACON_WORK = 5_000_000;

function atLeast(least: number, isWhole: boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && (!isWhole || Number.isInteger(value)) && value < 1e9)
      return value;
    throw new InvalidArgumentError(`Give a ${isWhole ? 'whole ' : ''}number from ${least} on.`);
  };
}
const count = atLeast(0, true);
const some = atLeast(1, true);
const amount = atLeast(0, false);

function strategy(text: string): Scenario['strategy'] {
  const found = STRATEGIES.find((one) => one === text);
  if (found === undefined) throw new InvalidArgumentError(`Give one of ${STRATEGIES.join(', ')}.`);
  return found;
}

function direction(text: string): 'up' {
  if (text === 'up') return text;
  throw new InvalidArgumentError('Give up.');
}

const program = new Command('npm run sim --')
  .description('A site in virtual time: the real machines of line, beacon and election on virtual links.')
  .exitOverride()
  .option('--targets <n>', 'machines being imaged', some, DEFAULT_SCENARIO.targets)
  .option('--peers <k>', 'peers beside them', count, DEFAULT_SCENARIO.peers)
  .option('--holders <n>', 'peers that have the image already', count, DEFAULT_SCENARIO.holders)
  .option('--holder-uplink <mbit>', 'what each of them sends at most, in Mbit/s; default: as the LAN')
  .option('--chunks <m>', 'chunks of the image', some, DEFAULT_SCENARIO.chunks)
  .option('--seed <s>', 'the same seed, the same run', count, 1)
  .option('--slow <n>', 'so many targets at a tenth of the speed', count)
  .option('--slow-at <position>', 'which target is slow, counted from 1', some)
  .option('--slow-only <direction>', 'up: only in sending', direction)
  .option('--slow-peers <n>', 'so many peers at a tenth of the speed', count)
  .option('--join-at <share>', 'one target more, from this share of the bound on', amount)
  .option('--die <n>', 'so many targets lose power half way', count)
  .option('--churn <share>', 'this share of all machines comes and goes', amount)
  .option('--kill-designated <seconds>', 'kill the designated peer so often', amount)
  .option('--strategy <name>', STRATEGIES.join(', '), strategy, DEFAULT_SCENARIO.strategy)
  .option('--lan-rate <mbit>', 'of each network card, in Mbit/s', amount, 100)
  .option('--lan-delay <ms>', 'one way', amount, DEFAULT_SCENARIO.lanDelayMs)
  .option('--half-duplex', 'cards send and receive in turn')
  .option('--loss <share>', 'of packets on the LAN', amount, 0)
  .option('--wan-rate <mbit>', 'of the line of the site; default: as the LAN')
  .option('--wan-limit <mbit>', 'what the site may take of its line', amount)
  .option('--wan-delay <ms>', 'one way', amount, DEFAULT_SCENARIO.wanDelayMs)
  .option('--chunk-kb <kb>', 'mean stored size of a chunk', some, DEFAULT_SCENARIO.chunkBytes / 1000)
  .option(
    '--variation <share>',
    'by which chunks are larger or smaller at most',
    amount,
    DEFAULT_SCENARIO.variation,
  )
  .option('--oracle', 'machines know of each other without beacons, as they do in large runs')
  .option('--trace', 'print what happens')
  .option('--topology <file>', 'your sites, your lines, your image (YAML): finish times and WAN bytes')
  .option('--fault-seed <s>', 'one small site with random faults', count)
  .option('--soak [seeds]', `so many of them, ${SOAK_SEEDS} by default`)
  .option(
    '--goals [part]',
    'all goals of the line, or those with this in their name: a table, exit status 1 if one is missed',
  )
  .option('--json', 'one line for programs');

type Options = ReturnType<typeof program.opts>;

function scenarioOf(o: Options): Scenario {
  return {
    seed: o.seed,
    targets: o.targets,
    peers: o.peers,
    holders: o.holders,
    holderUplink: (o.holderUplink === undefined ? o.lanRate : amount(o.holderUplink)) * BYTES_PER_MS_OF_MBIT,
    chunks: o.chunks,
    chunkBytes: o.chunkKb * 1000,
    variation: o.variation,
    lanRate: o.lanRate * BYTES_PER_MS_OF_MBIT,
    halfDuplex: o.halfDuplex === true,
    lanDelayMs: o.lanDelay,
    loss: o.loss,
    wanRate: (o.wanRate === undefined ? o.lanRate : amount(o.wanRate)) * BYTES_PER_MS_OF_MBIT,
    wanDelayMs: o.wanDelay,
    wanLimit: o.wanLimit === undefined ? undefined : o.wanLimit * BYTES_PER_MS_OF_MBIT * 1000,
    diskRate: Number.POSITIVE_INFINITY,
    strategy: o.strategy,
    presence:
      o.oracle === true || (o.targets + o.peers) ** 2 * o.chunks > MOST_BEACON_WORK ? 'oracle' : 'beacon',
    troubles: {
      slow: o.slow,
      slowAt: o.slowAt,
      slowOnly: o.slowOnly,
      slowPeers: o.slowPeers,
      joinAt: o.joinAt,
      die: o.die,
      churn: o.churn,
      killDesignatedS: o.killDesignated,
    },
  };
}

/** A line that is written over and over, only where somebody looks. */
function status(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function tracing(isOn: boolean, world: () => World | undefined) {
  const write = (line: string) => process.stderr.write(`${line}\n`);
  const nowMs = () => world()?.queue.nowMs ?? 0;
  return isOn ? [traceObserver(write, nowMs, (id) => world()?.nameOf(id) ?? id)] : [];
}

function simulate(o: Options): boolean {
  const scenario = scenarioOf(o);
  let current: World | undefined;
  let shownMs = 0;
  const outcome = runScenario(scenario, {
    parts: realParts(strategyOf(scenario)),
    observers: tracing(o.trace === true, () => current),
    onWorld(world) {
      current = world;
    },
    onTick(world) {
      if (o.json === true || performance.now() - shownMs < 100) return;
      shownMs = performance.now();
      status(progressLine(world).slice(0, (process.stderr.columns ?? 100) - 1));
    },
  });
  status('');
  const report = reportOf(outcome);
  if (o.json === true) {
    printJson(report);
    return report.ok;
  }
  console.log(formatTable(outcomeRows(outcome)));
  console.log(`\n${outcomeSentence(outcome)}`);
  sayViolations(outcome.violations);
  return report.ok;
}

function sayViolations(violations: readonly { rule: string; atMs: number; what: string }[]): void {
  if (violations.length === 0) console.log(colours.green('✔ safe, thrifty, live: nothing was violated'));
  for (const { rule, atMs, what } of violations)
    console.log(`${colours.red('✖')} ${duration(atMs)}  ${colours.bold(rule)}: ${what}`);
}

function oneFaultCase(o: Options): boolean {
  let world: () => World | undefined = () => undefined;
  const one = makeFaultCase(o.faultSeed);
  const result = runFaultCase(one, realParts(o.strategy), (built) => {
    world = built;
    return tracing(o.trace === true, world);
  });
  if (o.json === true) printJson({ ok: result.violations.length === 0, ...result });
  else {
    console.log(`seed ${one.seed}: ${one.spec.machines.length} machines, ${one.spec.image.chunks} chunks`);
    sayViolations(result.violations);
  }
  return result.violations.length === 0;
}

function soak(o: Options): boolean {
  const seeds = o.soak === true ? SOAK_SEEDS : some(o.soak);
  const parts = realParts(o.strategy);
  let failed = 0;
  let shownMs = 0;
  for (let seed = o.seed; seed < o.seed + seeds; seed++) {
    const { violations } = runFaultCase(makeFaultCase(seed), parts);
    const [first] = violations;
    if (first !== undefined) {
      failed += 1;
      status('');
      console.error(
        `npm run sim -- --fault-seed ${seed} --strategy ${o.strategy} --trace   # ${first.rule}: ${first.what}`,
      );
    }
    if (performance.now() - shownMs < 200) continue;
    shownMs = performance.now();
    status(`${seed - o.seed + 1} of ${seeds} seeds, ${failed} failed`);
  }
  status('');
  if (o.json === true) printJson({ ok: failed === 0, seeds, failed });
  else
    console.log(
      `${seeds} sites with random faults: ${failed === 0 ? colours.green('none failed') : `${failed} failed`}`,
    );
  return failed === 0;
}

function goals(o: Options): boolean {
  const part = o.goals === true ? '' : String(o.goals);
  const chosen = GOALS.filter(({ name }) => name.includes(part));
  const results = chosen.map((goal, i) => {
    status(`${i + 1} of ${chosen.length} goals: ${goal.name}`);
    return tryGoal(goal, o.seed, { parts: realParts('auto') });
  });
  status('');
  const missed = results.filter(({ ok }) => !ok);
  const ok = results.length > 0 && missed.length === 0;
  if (o.json === true) {
    const goals = results.map(({ goal, figures, violations, ok }) => ({
      name: goal.name,
      ok,
      figures,
      violations,
    }));
    printJson({ ok, goals });
    return ok;
  }
  console.log(formatTable([GOAL_HEADS, ...results.flatMap(goalRows)]));
  console.log(
    ok
      ? colours.green(`\nall ${results.length} goals are reached`)
      : `\n${missed.length} of ${results.length} goals are missed`,
  );
  for (const { goal } of missed) console.log(`npm run sim -- ${goal.words} --seed ${o.seed}`);
  return ok;
}

function estate(o: Options): boolean {
  const topology = parseTopology(readYaml(o.topology));
  const kinds = topology.kinds.length;
  const result = runEstate(topology, realParts('auto'), o.seed, (name, done) =>
    status(`${done + 1} of ${kinds} kinds of sites: ${name}`),
  );
  status('');
  const violations = result.kinds.reduce((sum, kind) => sum + kind.violations, 0);
  if (o.json === true) {
    printJson({ ok: violations === 0, ...result });
    return violations === 0;
  }
  console.log(formatTable(estateRows(result)));
  console.log(`\n${estateSentence(result)}`);
  return violations === 0;
}

function readYaml(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new PeerbootError(
      'PB-TOPOLOGY-INVALID',
      `${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

const words = process.argv.slice(2);
try {
  const o = program.parse(words, { from: 'user' }).opts();
  const run =
    o.goals !== undefined
      ? goals
      : o.topology !== undefined
        ? estate
        : o.soak !== undefined
          ? soak
          : o.faultSeed !== undefined
            ? oneFaultCase
            : simulate;
  process.exitCode = run(o) ? 0 : 1;
} catch (error) {
  reportError(error, words.includes('--json'));
  process.exitCode = error instanceof PeerbootError ? 2 : exitStatusOf(error);
}
