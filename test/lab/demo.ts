// `npm run demo`: the product's whole story on real parts, with live progress, or one line of JSON at the end.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pc from 'picocolors';
import { ensureHost } from '../../tools/host.ts';
import { prepareContent } from './content.ts';
import { createView, type DemoView, silentView } from './demo-view.ts';
import { type Fed, followFeeders } from './feeders.ts';
import { FIRMWARES, type Firmware } from './firmware.ts';
import { CACHE, type Lab, openLab } from './lab.ts';
import { signedAssets } from './signed-assets.ts';
import { followStory, type Moment, STARTS_AGENT_ITSELF, type StoryResult } from './story.ts';
import type { Target } from './target.ts';

const USAGE = `Usage: npm run demo -- [--firmware ${FIRMWARES.join('|')}] [--targets N] [--json] [--screenshots]`;
const DISK_BYTES = 2 ** 30;
/** Copies of what is stored: one, and the signed catalogue. */
const MOST_WAN = 1.02;

interface DemoOptions {
  readonly firmware: Firmware;
  readonly targets: number;
  readonly json: boolean;
  readonly screenshots: boolean;
}

interface DemoReport {
  ok: boolean;
  imageBytes: number;
  storedBytes: number;
  wanBytes: number;
  /** Who fed whom, in the order in which it was seen. */
  feeding: Fed[];
  targets: StoryResult[];
  error?: string;
}

function readOptions(): DemoOptions | undefined {
  try {
    const { values } = parseArgs({
      options: {
        firmware: { type: 'string', default: 'bios' },
        targets: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        screenshots: { type: 'boolean', default: false },
      },
    });
    const { json, screenshots } = values;
    const firmware = FIRMWARES.find((name) => name === values.firmware);
    const targets = Number(values.targets);
    if (firmware === undefined)
      throw new Error(`--firmware is one of ${FIRMWARES.join(', ')}, not ${values.firmware}`);
    if (!Number.isInteger(targets) || targets < 1 || targets > 16)
      throw new Error('--targets is a number from 1 to 16');
    return { firmware, targets, json, screenshots };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return undefined;
  }
}

const MACHINES: Readonly<Record<Firmware, string>> = {
  bios: 'BIOS',
  uefi: 'UEFI',
  secureboot: 'UEFI, Secure Boot enforcing',
  httpboot: 'UEFI, HTTP Boot',
  arm64: 'arm64, UEFI',
};

const SAID: Readonly<Record<Moment, string>> = {
  offer: 'was offered a boot program',
  script: 'asked for its script',
  agent: 'runs the agent',
  imaged: 'is imaged and proved; restarts from its own disk',
  ready: pc.green('has booted its new system'),
};

/** What the agent prints on the serial line while it works: `peerboot: imaging 43% 12.3 MB/s`. */
const AGENT_LINE = /^peerboot: (imaging|verifying) +(\d+)% ?(.*)$/;

function followScreen(target: Target, view: DemoView, screenshots: boolean): void {
  const pictured = new Set<string>();
  target.serial.listen((line) => {
    const match = line === undefined ? null : AGENT_LINE.exec(line);
    if (match === null) return;
    const [, step = '', percent, rest] = match;
    view.target(target.name, `${step} ${rest}`, Number(percent) / 100);
    if (!screenshots || Number(percent) < 40 || pictured.has(step)) return;
    pictured.add(step);
    picture(target, step);
  });
}

const pictures: Promise<void>[] = [];

/** Pictures of a target's screen at its most telling moments, for the README. */
function picture(target: Target, moment: string): void {
  const folder = join(CACHE, 'screenshots');
  mkdirSync(folder, { recursive: true });
  const taken = target.screenshot(join(folder, `${target.firmware}-${moment}.png`));
  pictures.push(taken.catch((error) => console.error(String(error))));
}

async function play(lab: Lab, options: DemoOptions, view: DemoView): Promise<DemoReport> {
  const { firmware } = options;
  if (firmware === 'secureboot' || firmware === 'arm64') await ensureHost(firmware, view.detail);
  const content = await prepareContent(view.step, view.detail, firmware === 'arm64' ? 'arm64' : 'x64');
  if (firmware === 'secureboot') view.step('signing the agent with a key that the machine’s firmware knows');
  const signed =
    firmware === 'secureboot'
      ? await signedAssets({ root: content.root, kernel: 'cloud' }, join(lab.folder, 'assets'))
      : undefined;
  view.step('opening the store: DHCP server, CDN, peer');
  const cdn = await lab.startCdn(content.tree);
  const peer = await lab.startPeer({
    origins: [cdn.base],
    root: content.root,
    assets: signed?.folder ?? content.assets,
    assign: content.image,
    ...(signed === undefined ? {} : { extra: ['--chain', 'uki'] }),
  });
  const names = new Map(
    Array.from({ length: options.targets }, (_, index) => [macOf(index + 1), `till-${index + 1}`]),
  );
  const feeding: Fed[] = [];
  const stopFollowing = followFeeders(peer, names, (fed) => {
    feeding.push(fed);
    view.fed(fed.target, fed.feeder);
  });
  view.step(
    `powering on ${options.targets === 1 ? 'a bare machine' : `${options.targets} bare machines`} (${MACHINES[firmware]})`,
  );
  const stories = Array.from({ length: options.targets }, async (_, index) => {
    const number = index + 1;
    const target = await lab.powerOn({
      name: `till-${number}`,
      firmware,
      mac: macOf(number),
      diskBytes: DISK_BYTES,
      // The agent as one program is in memory twice while the firmware starts it.
      ...(STARTS_AGENT_ITSELF.has(firmware) ? { memoryMb: 768 } : {}),
      ...(signed === undefined ? {} : { enrolled: { db: signed.certificate } }),
    });
    view.target(target.name, 'is switched on, its disk empty');
    followScreen(target, view, options.screenshots);
    return followStory(target, peer, (moment) => {
      view.target(target.name, SAID[moment]);
      if (options.screenshots) picture(target, moment);
    });
  });
  const targets = await Promise.all(stories).finally(stopFollowing);
  await Promise.all(pictures);
  return {
    ok: targets.every((target) => target.ready),
    imageBytes: content.imageBytes,
    storedBytes: content.storedBytes,
    wanBytes: cdn.bytesServed(),
    feeding,
    targets,
  };
}

const macOf = (number: number) => `52:54:00:77:00:${number.toString(16).padStart(2, '0')}`;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function summary(report: DemoReport): string {
  const last = Math.max(...report.targets.map(({ seconds }) => seconds.ready ?? 0));
  const what =
    report.targets.length === 1
      ? 'The machine has booted a system of its own'
      : 'All machines have booted systems of their own';
  return [
    '',
    `  ${pc.green('✓')} ${what}, ${last} s after power-on.`,
    `    image ${megabytes(report.imageBytes)}, stored ${megabytes(report.storedBytes)}, crossed the WAN ${megabytes(report.wanBytes)}`,
    ...(report.feeding.some(({ feeder }) => feeder !== 'the peer') ? [lineOf(report.feeding)] : []),
    '',
  ].join('\n');
}

function lineOf(feeding: readonly Fed[]): string {
  const last = new Map(feeding.map(({ target, feeder }) => [target, feeder]));
  return `    ${[...last].map(([target, feeder]) => `${target} was fed by ${feeder}`).join(', ')}`;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return 2;
  const view = options.json ? silentView : createView(process.stdout, options.targets);
  let lab: Lab | undefined;
  let report: DemoReport = {
    ok: false,
    imageBytes: 0,
    storedBytes: 0,
    wanBytes: 0,
    feeding: [],
    targets: [],
  };
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => reject(new Error(`stopped by ${signal}; everything was cleaned up`)));
  });
  try {
    lab = await openLab();
    report = await Promise.race([play(lab, options, view), interrupted]);
    view.close();
    if (!options.json) console.log(summary(report));
    if (report.wanBytes > MOST_WAN * report.storedBytes) {
      await lab.keepEvidence();
      console.error(`more crossed the WAN than one copy; evidence: ${lab.folder}`);
    }
  } catch (error) {
    report.error = error instanceof Error ? error.message : String(error);
    if (lab !== undefined && !report.error.startsWith('stopped by')) {
      await lab.keepEvidence();
      report.error += `\nevidence: ${lab.folder}`;
    }
    console.error(`${pc.red('✗')} ${report.error}`);
  } finally {
    view.close();
    await lab?.close();
  }
  if (options.json) console.log(JSON.stringify(report));
  return report.ok ? 0 : 1;
}

process.exit(await main());
