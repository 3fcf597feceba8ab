// What the target shows a technician: a pure picture of its state, as a text screen and as one line for the serial port.
import { bytesText } from '../imaging/disk-choice.ts';
import { approvalPicture } from './approval-screen.ts';
import { bigText } from './big-text.ts';

export type Step =
  | 'network'
  | 'check-in'
  | 'wait'
  | 'prepare'
  | 'imaging'
  | 'verifying'
  | 'done'
  | 'leave'
  | 'failed';

export interface ScreenState {
  readonly step: Step;
  readonly version: string;
  readonly site?: string | undefined;
  readonly peer?: string | undefined;
  readonly machine?: string | undefined;
  readonly product?: string | undefined;
  readonly serial?: string | undefined;
  readonly mac?: string | undefined;
  readonly address?: string | undefined;
  /** `debian-12 1`. */
  readonly image?: string | undefined;
  /** `vda (QEMU, 8 GiB)`. */
  readonly disk?: string | undefined;
  readonly source?: string | undefined;
  readonly progress?: ScreenProgress | undefined;
  /** Whom this machine feeds meanwhile. */
  readonly feeding?: { readonly peers: number; readonly bytesPerSecond: number } | undefined;
  /** As the machine was named. */
  readonly name?: string | undefined;
  /** It waits to be approved: the code, and the page for phones. */
  readonly approval?: { readonly code: string; readonly page: string } | undefined;
  /** Why it waits, while it goes on trying. */
  readonly note?: string | undefined;
  readonly failure?: { readonly code: string; readonly what: string; readonly remedy: string } | undefined;
}

export interface ScreenProgress {
  readonly percent: number;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft?: number | undefined;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** `ask` is black on white: a QR code is read only in that order. */
export type Tone = 'work' | 'wait' | 'ask' | 'done' | 'failed';

export const VGA_TEXT: ScreenSize = { columns: 80, rows: 25 };

const STAGES = ['network', 'plan', 'write', 'prove', 'start'] as const;
/** How many stages are behind a step. */
const STAGES_DONE: Readonly<Record<Step, number>> = {
  network: 0,
  'check-in': 1,
  wait: 1,
  prepare: 1,
  imaging: 2,
  verifying: 3,
  done: 4,
  leave: 4,
  failed: -1,
};

export function toneOf(state: ScreenState): Tone {
  if (state.step === 'failed') return 'failed';
  if (state.step === 'done' || state.step === 'leave') return 'done';
  if (state.approval !== undefined) return 'ask';
  return state.note === undefined ? 'work' : 'wait';
}

/** Exactly `rows` lines of exactly `columns` characters, all of them in the VGA's own character set. */
export function renderScreen(state: ScreenState, size: ScreenSize = VGA_TEXT): readonly string[] {
  const scale = Math.max(1, Math.min(Math.floor(size.columns / 80), Math.floor(size.rows / 25)));
  const width = Math.min(size.columns, 80 * scale) - 4;
  const { approval } = state;
  const body =
    approval !== undefined
      ? [
          '',
          ...approvalPicture({ ...approval, serial: state.serial }, width, scale),
          '',
          ...facts(state, width),
        ]
      : [
          '',
          ...bigText(bigWord(state), scale),
          '',
          ...(state.failure === undefined ? working(state, width, scale) : failed(state.failure, width)),
          '',
          '─'.repeat(width),
          ...facts(state, width),
        ];
  const room = size.rows - 3;
  const above = Math.max(0, Math.floor((room - body.length) / 3));
  const lines = [...Array.from({ length: above }, () => ''), ...body].slice(0, room);
  while (lines.length < room) lines.push('');
  const margin = ' '.repeat(Math.floor((size.columns - width) / 2));
  const put = (line: string) => fitted(margin + line, size.columns);
  return [
    fitted(`  PEERBOOT ${state.version}`, size.columns, `${state.site ?? ''}  `),
    ...lines.map(put),
    put(stages(state)),
    put(''),
  ];
}

function bigWord(state: ScreenState): string {
  switch (state.step) {
    case 'failed':
      return 'FAILED';
    case 'done':
      return 'DONE';
    case 'imaging':
    case 'verifying':
      return `${state.progress?.percent ?? 0}%`;
    case 'wait':
      return 'WAIT';
    case 'leave':
      return 'BOOT';
    default:
      return 'START';
  }
}

function working(state: ScreenState, width: number, scale: number): string[] {
  const { progress } = state;
  if (progress === undefined) return [headline(state), '', ...wrap(state.note ?? '', width)];
  const filled = Math.round((progress.percent * width) / 100);
  return [
    headline(state),
    ...Array.from({ length: scale }, () => '█'.repeat(filled) + '░'.repeat(width - filled)),
    '',
    ...(state.note === undefined ? [figures(progress)] : wrap(state.note, width).slice(0, 3)),
  ];
}

function figures({ doneBytes, totalBytes, bytesPerSecond, secondsLeft }: ScreenProgress): string {
  return [
    `${bytesText(doneBytes)} of ${bytesText(totalBytes)}`,
    bytesPerSecond > 0 ? rateText(bytesPerSecond) : '',
    secondsLeft === undefined || secondsLeft <= 0 ? '' : `${durationText(secondsLeft)} left`,
  ]
    .filter((part) => part !== '')
    .join('     ');
}

function headline({ step, image, disk }: ScreenState): string {
  switch (step) {
    case 'network':
      return 'Asking for a network address';
    case 'check-in':
      return 'Asking the peer what to do';
    case 'wait':
      return 'Waiting for the peer';
    case 'prepare':
      return `Preparing ${image ?? 'the image'}`;
    case 'imaging':
      return `Writing ${image ?? 'the image'} to ${disk ?? 'the disk'}`;
    case 'verifying':
      return `Reading ${disk ?? 'the disk'} back and proving it`;
    case 'done':
      return `${image ?? 'The image'} is on ${disk ?? 'the disk'}, read back and proved`;
    case 'leave':
      return 'Starting from the disk';
    case 'failed':
      return 'Stopped';
  }
}

function failed(failure: NonNullable<ScreenState['failure']>, width: number): string[] {
  const text = (label: string, words: string, most: number) =>
    wrap(words, width - 8)
      .slice(0, most)
      .map((line, i) => (i === 0 ? label : '').padEnd(8) + line);
  return [
    ...text('Code', failure.code, 1),
    ...text('Cause', sentence(failure.what), 4),
    ...text('Remedy', failure.remedy, 3),
  ];
}

function facts(state: ScreenState, width: number): string[] {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['Machine', [state.product, state.serial && `serial ${state.serial}`].filter(Boolean).join(', ')],
    ['Network', [state.mac, state.address].filter(Boolean).join('  ')],
    ['Id', [state.machine, state.name].filter(Boolean).join('  ')],
    ['Peer', state.peer],
    ['Image', state.image],
    ['Disk', state.disk],
    ['Source', state.source],
    ['Feeding', state.feeding && feedingText(state.feeding)],
  ];
  return rows
    .filter((row) => row[1] !== undefined && row[1] !== '')
    .map(([label, value]) => fitted(`${label.padEnd(10)}${value}`, width).trimEnd());
}

/** √ and ■ are in the VGA's character set, a tick is not. */
function stages(state: ScreenState): string {
  const done = STAGES_DONE[state.step];
  if (done < 0) return 'Asking the peer again every few seconds: a new plan takes effect at once.';
  return STAGES.map((name, i) => `${i < done ? '√' : i === done ? '■' : '·'} ${name}`).join('     ');
}

/** `1 peer 11.0 MB/s`. */
function feedingText({ peers, bytesPerSecond }: NonNullable<ScreenState['feeding']>): string {
  return `${peers} ${peers === 1 ? 'peer' : 'peers'} ${rateText(bytesPerSecond)}`;
}

/** `12.3 MB/s`: decimal, as network and disk rates are told. */
export function rateText(bytesPerSecond: number): string {
  const mega = bytesPerSecond / 1e6;
  return mega >= 100 ? `${Math.round(mega)} MB/s` : `${mega.toFixed(1)} MB/s`;
}

export function durationText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function sentence(text: string): string {
  return text + (/[.!?]$/.test(text) ? '' : '.');
}

/** Cut or filled to the width; `right` is put at the right edge. What VGA cannot show becomes `?`. */
function fitted(text: string, width: number, right = ''): string {
  const clean = text.replaceAll(/[^\x20-\x7e█▀▄░─√■·]/gu, '?');
  const end = right.replaceAll(/[^\x20-\x7e]/gu, '?').slice(0, width);
  return clean.slice(0, width - end.length).padEnd(width - end.length) + end;
}

/** Lines of at most `width`; words longer than that are cut. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text
    .split(/\s+/)
    .flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'g')) ?? [])) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

/**
 * One line for the serial console, also read by programs: `peerboot: imaging 43% 12.3 MB/s`. `topic` is what it
 * is about, without its numbers: a new topic is told at once, the same one only now and then.
 */
export function serialLine(state: ScreenState): { readonly topic: string; readonly line: string } {
  const { step, progress, failure, note } = state;
  const about: string[] = [step];
  if (state.approval !== undefined) about.push(`code ${state.approval.code}`);
  if (failure !== undefined) about.push(`${failure.code}: ${failure.what} Remedy: ${failure.remedy}`);
  else if (note !== undefined) about.push(`waiting: ${note}`);
  const topic = about.join(' ');
  if (failure === undefined && progress !== undefined) {
    const left = progress.secondsLeft === undefined ? '' : ` ${durationText(progress.secondsLeft)} left`;
    about.splice(1, 0, `${progress.percent}% ${rateText(progress.bytesPerSecond)}${left}`);
  } else if (failure === undefined && note === undefined) about.push(headline(state));
  if (state.feeding !== undefined) about.push(`feeding ${feedingText(state.feeding)}`);
  return { topic, line: `peerboot: ${about.join(' ')}`.replaceAll(/[^\x20-\x7e]/gu, '?') };
}
