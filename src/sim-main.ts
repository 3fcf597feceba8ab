// The roof of the simulator: `npm run sim -- --targets 16 …` from words to one line of JSON or a picture for people.
import { Command, InvalidArgumentError } from 'commander';
import { realParts } from './sim/parts.ts';
import { reportOf } from './sim/report.ts';
import { DEFAULT_SCENARIO, runScenario, type Scenario } from './sim/scenario.ts';

const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('a number, 0 or more');
  return value;
};
const BYTES_PER_MS_OF_MBIT = 125;

const program = new Command('sim')
  .description('A site in virtual time: the real machines of the line on virtual links')
  .option('--targets <n>', 'machines being imaged', number, DEFAULT_SCENARIO.targets)
  .option('--peers <k>', 'peers beside them', number, DEFAULT_SCENARIO.peers)
  .option('--chunks <m>', 'chunks of the image', number, DEFAULT_SCENARIO.chunks)
  .option('--seed <s>', 'replays the same run', number, 1)
  .option('--slow <n>', 'so many targets at a tenth of the speed', number)
  .option('--slow-at <position>', 'which target is slow, counted from 1', number)
  .option('--join-at <share>', 'one target more, switched on at this share of the bound', number)
  .option('--die <n>', 'so many targets lose power half way', number)
  .option('--churn <share>', 'this share of all machines comes and goes', number)
  .option('--kill-designated <seconds>', 'kill the designated peer so often', number)
  .option('--wan-rate <mbit>', 'of the line of the site', number, 100)
  .option('--lan-rate <mbit>', 'of each network card', number, 100)
  .option('--json', 'one line for programs')
  .parse();

const o = program.opts();
const scenario: Scenario = {
  ...DEFAULT_SCENARIO,
  seed: o.seed,
  targets: o.targets,
  peers: o.peers,
  chunks: o.chunks,
  lanRate: o.lanRate * BYTES_PER_MS_OF_MBIT,
  wanRate: o.wanRate * BYTES_PER_MS_OF_MBIT,
  troubles: {
    slow: o.slow,
    slowAt: o.slowAt,
    joinAt: o.joinAt,
    die: o.die,
    churn: o.churn,
    killDesignatedS: o.killDesignated,
  },
};
const outcome = runScenario(scenario, { parts: realParts() });
const report = reportOf(outcome);
console.log(JSON.stringify(report));
if (o.json !== true)
  for (const { rule, atMs, what } of outcome.violations)
    console.error(`${(atMs / 1000).toFixed(3)} s  ${rule}: ${what}`);
process.exitCode = report.ok ? 0 : 1;
