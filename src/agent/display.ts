// Shows the state of the target: pictures on its screen as they change, lines on its serial port at a modest pace.
import type { Clock, MonotonicMs } from '../base/time.ts';
import { paint, SETTLE, sizeOr } from './paint.ts';
import type { ScreenPort } from './ports.ts';
import { renderScreen, type ScreenState, serialLine, type Tone, toneOf, VGA_TEXT } from './screen.ts';

/** Port: something that shows text; undefined when the machine has none. */
export interface Terminal {
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  write(text: string): void;
}

/** A picture takes a slow console a few milliseconds, and nobody reads faster than this. */
const PICTURE_MS = 400;
/** The same topic with other numbers; a new topic is written at once. */
const LINE_MS = 1_000;

export function createDisplay(
  clock: Clock,
  terminals: { readonly screen: Terminal | undefined; readonly serial: Terminal | undefined },
): ScreenPort {
  const { screen, serial } = terminals;
  const size = sizeOr(screen?.columns, screen?.rows, VGA_TEXT);
  let picture: { lines: readonly string[]; tone: Tone } | undefined;
  let step: string | undefined;
  let pictureMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  let told = { topic: '', line: '', atMs: Number.NEGATIVE_INFINITY };
  screen?.write(SETTLE);
  serial?.write('\r\n');

  function draw(state: ScreenState, now: MonotonicMs): void {
    if (state.step === step && toneOf(state) === picture?.tone && now - pictureMs < PICTURE_MS) return;
    const next = { lines: renderScreen(state, size), tone: toneOf(state) };
    screen?.write(paint(next.lines, next.tone, picture));
    picture = next;
    step = state.step;
    pictureMs = now;
  }

  function say(state: ScreenState, now: MonotonicMs): void {
    const { topic, line } = serialLine(state);
    if (line === told.line || (topic === told.topic && now - told.atMs < LINE_MS)) return;
    serial?.write(`${line}\r\n`);
    told = { topic, line, atMs: now };
  }

  return {
    show(state) {
      const now = clock.nowMs();
      draw(state, now);
      say(state, now);
    },
  };
}
