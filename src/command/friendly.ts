// What `peerboot up` shows to a person: what it serves and where, then one line for each thing that happens.
import type { Log, LogFields } from '../base/log.ts';
import type { Config } from '../io/config-keys.ts';
import { type Peer, siteTitle } from './peer.ts';
import { colours, formatBytes, formatTable } from './terminal.ts';

export function greet(peer: Peer, config: Config): string {
  const images = peer.catalogue.images();
  const { state, reason } = peer.catalogue.state();
  const assigned = peer.assignments.list().map(({ machine, target }) => {
    const what = target.kind === 'image' ? target.image : 'its own disk';
    return `${machine === '*' ? 'any machine' : machine} → ${what}`;
  });
  const rows = [
    ['site', siteTitle(config, peer.interfaces)],
    ['answers on', peer.interfaces.map(({ name, address }) => `${address} (${name})`).join(', ')],
    ['boot files', `http://${peer.interfaces[0]?.address}:${peer.httpPort}/boot`],
    ...(config.parents.length === 0 ? [] : [['parents', config.parents.join(', ')]]),
    ['origins', config.origins.join(', ') || 'none: serves what is held'],
    ['catalogue', reason === undefined ? state : `${state}: ${reason}`],
    ...images.map((image) => ['image', `${image.name}@${image.version}, ${formatBytes(image.imageBytes)}`]),
    ['assigned', assigned.join(', ') || 'nothing: unknown machines boot from their own disks'],
  ];
  const title = config.observe ? 'Peerboot observes and sends nothing' : 'Peerboot is ready';
  const body = formatTable(rows.map(([key, value]) => [`  ${colours.dim(key ?? '')}`, value ?? '']));
  return `${colours.bold(colours.green(title))}\n${body}\n${colours.dim('  Ctrl-C stops it.')}`;
}

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const;

/** A log for eyes: machines' rungs and trouble; other notices only at level debug. */
export function friendlyLog(least: keyof typeof RANK, print: (line: string) => void = console.log): Log {
  const write = (level: keyof typeof RANK, bound: LogFields, fields: LogFields, message: string) => {
    const all: LogFields = { ...bound, ...fields };
    const telling = RANK[level] >= RANK.warn || all.rung !== undefined || NOTICES.has(message);
    if (RANK[level] < RANK[least] || (!telling && least !== 'debug')) return;
    print(line(level, all, message));
  };
  const make = (bound: LogFields): Log => ({
    debug: (fields, message) => write('debug', bound, fields, message),
    info: (fields, message) => write('info', bound, fields, message),
    warn: (fields, message) => write('warn', bound, fields, message),
    error: (fields, message) => write('error', bound, fields, message),
    child: (fields) => make({ ...bound, ...fields }),
  });
  return make({});
}

const NOTICES = new Set(['catalogue accepted', 'image assigned', 'source is back', 'peerboot stopping']);
const MARKS = {
  debug: colours.dim('·'),
  info: colours.green('•'),
  warn: colours.yellow('!'),
  error: colours.red('✖'),
};

function line(level: keyof typeof RANK, fields: LogFields, message: string): string {
  const time = colours.dim(new Date().toTimeString().slice(0, 8));
  const who = text(fields.mac) ?? text(fields.machineName) ?? text(fields.machine) ?? text(fields.source);
  const about = [
    text(fields.code),
    text(fields.what) ?? text(fields.reason),
    text(fields.image) ?? targetOf(fields),
  ]
    .filter((part) => part !== undefined)
    .join('  ');
  const remedy = text(fields.remedy);
  const bold = who === undefined ? '' : colours.bold(who);
  const parts = [time, MARKS[level], bold, message, about === '' ? '' : colours.dim(about)];
  const head = parts.filter((part) => part !== '').join(' ');
  return remedy === undefined ? head : `${head}\n           ${colours.cyan('→')} ${remedy}`;
}

/** Of an assignment: the image, or nothing for local boot. */
function targetOf(fields: LogFields): string | undefined {
  const { image } = (fields.target ?? {}) as { image?: string };
  return image;
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
