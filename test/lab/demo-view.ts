// What a person sees of the demo: the store as a picture, finished steps, and one live line for each target.
import pc from 'picocolors';

export interface DemoView {
  /** A step that takes a while: shown with its seconds until the next one begins. */
  step(message: string): void;
  /** Detail of the running step, in place. */
  detail(message: string): void;
  /** The live state of one target; `fraction` draws a bar. */
  target(name: string, state: string, fraction?: number): void;
  /** From now on the target is fed by this one. */
  fed(name: string, feeder: string): void;
  close(): void;
}

export const silentView: DemoView = { step() {}, detail() {}, target() {}, fed() {}, close() {} };

const STORE_OF_ONE = [
  '   head office                     the store',
  '  ┌────────────┐   slow line   ┌─────────────┐      ┌──────────────┐',
  '  │ CDN: nginx │═══════════════│ peer: a PC  │──┬───│ bare machine │',
  '  └────────────┘               └─────────────┘  │   └──────────────┘',
  '                                                └── DHCP server: addresses only',
];

/** More than one: the peer feeds the first, each feeds the next. */
const STORE_OF_MANY = [
  '   head office                     the store',
  '  ┌────────────┐   slow line   ┌─────────────┐   ┌────────┐   ┌────────┐',
  '  │ CDN: nginx │═══════════════│ peer: a PC  │──▶│ till-1 │──▶│ till-2 │──▶ …',
  '  └────────────┘   one copy    └─────────────┘   └────────┘   └────────┘',
  '                                      └── DHCP server: addresses only',
];

const BAR_CELLS = 28;
const FRAME_MS = 100;

export function bar(fraction: number, cells = BAR_CELLS): string {
  const full = Math.round(Math.max(0, Math.min(1, fraction)) * cells);
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)}`;
}

/** Live lines are redrawn in place on a terminal; elsewhere each moment is a line of its own. */
export function createView(out: NodeJS.WriteStream, machines: number): DemoView {
  const picture = machines === 1 ? STORE_OF_ONE : STORE_OF_MANY;
  const feeders = new Map<string, string>();
  const live = out.isTTY === true;
  const targets = new Map<string, { state: string; fraction: number | undefined; since: number }>();
  let step: { message: string; since: number; detail: string } | undefined;
  let drawn = 0;

  const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const wipe = () => {
    if (drawn > 0) out.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  const draw = () => {
    if (!live) return;
    wipe();
    const lines: string[] = [];
    if (step !== undefined)
      lines.push(`  ${pc.cyan('◌')} ${step.message} ${pc.dim(`${seconds(step.since)} ${step.detail}`)}`);
    for (const [name, { state, fraction, since }] of targets) {
      const feeder = feeders.get(name);
      const fedBy = feeder === undefined || fraction === undefined ? '' : pc.dim(` fed by ${feeder}`);
      const progress =
        fraction === undefined
          ? ''
          : ` ${pc.green(bar(fraction))} ${String(Math.round(fraction * 100)).padStart(3)} %`;
      lines.push(
        `  ${pc.bold(name.padEnd(9))}${pc.dim(seconds(since).padStart(8))}${progress} ${state}${fedBy}`,
      );
    }
    const width = (out.columns ?? 100) - 1;
    out.write(lines.map((line) => `${line.length > width + 40 ? line.slice(0, width) : line}\n`).join(''));
    drawn = lines.length;
  };
  const timer = live ? setInterval(draw, FRAME_MS) : undefined;
  timer?.unref();

  const finishStep = () => {
    if (step === undefined) return;
    wipe();
    out.write(`  ${pc.green('✓')} ${step.message} ${pc.dim(seconds(step.since))}\n`);
    step = undefined;
  };

  out.write(
    `\n${pc.bold('Peerboot')}: a bare machine is imaged from an ordinary endpoint, and boots\n\n${pc.dim(picture.join('\n'))}\n\n`,
  );
  return {
    step(message) {
      finishStep();
      step = { message, since: performance.now(), detail: '' };
      draw();
    },
    detail(message) {
      if (step !== undefined) step.detail = message.slice(0, 60);
    },
    target(name, state, fraction) {
      finishStep();
      const before = targets.get(name);
      targets.set(name, { state, fraction, since: before?.since ?? performance.now() });
      if (!live && fraction === undefined && before?.state !== state) {
        out.write(
          `  ${name.padEnd(9)} ${seconds(before?.since ?? performance.now()).padStart(8)} ${state}\n`,
        );
      }
    },
    fed(name, feeder) {
      feeders.set(name, feeder);
      if (!live) out.write(`  ${name.padEnd(18)} is fed by ${feeder}\n`);
    },
    close() {
      finishStep();
      clearInterval(timer);
      draw();
    },
  };
}
