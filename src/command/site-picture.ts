// Draws a site in the terminal: the line of each image as a tree, then its peers; fits the width there is.
import type { SitePeerView, SiteView } from '../api/site.ts';
import { isOwnTag } from '../swarm/replicas.ts';
import { describe } from './control.ts';
import { type ImageTree, imageTrees, type LineNode } from './site-tree.ts';
import { colours, formatBytes, formatTable, visibleLength } from './terminal.ts';

/** Below it, bars and addresses are left out. */
const NARROW = 72;

/** `columns`: width of the terminal; longer lines are cut, so that a redrawing finds its lines again. */
export function pictureLines(view: SiteView, columns: number): string[] {
  const images = imageTrees(view);
  const targets = view.peers.filter(({ role }) => role === 'target').length;
  const peers = view.peers.length - targets;
  const lines = [
    `${colours.bold(`Site ${view.site}`)} · ${plural(peers, 'peer')}${targets === 0 ? '' : `, ${plural(targets, 'target')}`} · ${describe(view.control)}`,
    ...images.flatMap((image) => ['', ...imageLines(image, columns)]),
    ...(images.length === 0 ? ['', colours.dim('No image is in a line, and none shall be held.')] : []),
    '',
    ...peerLines(view, columns),
  ];
  return lines.map((line) => cut(line, columns));
}

function imageLines(image: ImageTree, columns: number): string[] {
  const { title, storedBytes, wanBytes, copies, wanted, fromWan, fromDisk, problems, strategy } = image;
  const times = storedBytes === 0 ? 0 : wanBytes / storedBytes;
  const enough = copies >= wanted ? colours.green : colours.yellow;
  const head = [
    `${colours.bold(title)}  ${formatBytes(storedBytes)}`,
    `WAN ${formatBytes(wanBytes)} (${times.toFixed(2)} ×)`,
    wanted === 0 ? `${copies} whole` : enough(`copies ${copies} of ${wanted}`),
    ...(strategy === undefined ? [] : [colours.cyan(strategy)]),
  ].join('  ');
  const feeding = fromDisk.filter((node) => node.followers.length > 0);
  const idle = fromDisk.filter((node) => node.followers.length === 0);
  return [
    head,
    ...(fromWan.length === 0 ? [] : [`  ${colours.cyan('WAN')}`, ...branches(fromWan, '  ', image, columns)]),
    ...feeding.flatMap((node) => [
      `  ${nodeText(node, image, columns)}`,
      ...branches(node.followers, '  ', image, columns),
    ]),
    ...idle.map((node) => colours.dim(`  ${nodeText(node, image, columns)}`)),
    ...problems.map((problem) => `  ${colours.red('✖')} ${problem}`),
  ];
}

function branches(nodes: readonly LineNode[], indent: string, image: ImageTree, columns: number): string[] {
  return nodes.flatMap((node, i) => {
    const last = i === nodes.length - 1;
    return [
      `${indent}${last ? '└─' : '├─'} ${nodeText(node, image, columns)}`,
      ...branches(node.followers, `${indent}${last ? '   ' : '│  '}`, image, columns),
    ];
  });
}

const BAR_CELLS = 10;

function nodeText(node: LineNode, { rows }: ImageTree, columns: number): string {
  const part = rows === 0 ? 0 : node.held / rows;
  const whole = node.held === rows;
  const full = Math.floor(part * BAR_CELLS);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)} `;
  const mark = node.paused ? colours.yellow('‖') : whole ? colours.green('●') : colours.cyan('◐');
  const wide = columns >= NARROW;
  return [
    `${mark} ${node.name}${node.target ? ' (target)' : ''}`,
    wide && node.address !== node.name ? colours.dim(node.address) : '',
    `${wide ? bar : ''}${Math.floor(part * 100)} %`,
    node.rate > 0 ? `${formatBytes(node.rate)}/s` : '',
    node.sources > 1 ? colours.dim(`from ${node.sources} sources`) : '',
    node.holds > 0 ? colours.dim(`${node.holds} waiting`) : '',
    node.paused ? colours.yellow('paused') : '',
  ]
    .filter((text) => text !== '')
    .join('  ');
}

function peerLines(view: SiteView, columns: number): string[] {
  const wide = columns >= NARROW;
  const rows = view.peers.map((peer) => [
    `  ${nameOf(peer)}${peer.id === view.self ? colours.dim(' (asked)') : ''}`,
    ...(wide ? [peer.address] : []),
    peer.role,
    fitness(peer),
    peer.freeUplinkBytesPerSecond > 0 ? `${formatBytes(peer.freeUplinkBytesPerSecond)}/s free` : '',
    colours.dim(peer.tags.filter((tag) => !isOwnTag(tag)).join(' ')),
  ]);
  return [colours.bold('Peers'), ...formatTable(rows).split('\n')];
}

function fitness(peer: SitePeerView): string {
  if (peer.unfit.length > 0) return colours.yellow(peer.unfit.join(' '));
  if (peer.role === 'peer' && peer.facts === undefined) return colours.yellow('silent');
  return colours.green('fit');
}

function nameOf({ facts, id }: SitePeerView): string {
  return facts?.name ?? id.slice(0, 8);
}

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

/** To the width, with `…` for what is left out; colours cost no width, and end with the line. */
function cut(line: string, columns: number): string {
  if (visibleLength(line) <= columns) return line;
  let width = 0;
  let kept = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
  for (const [piece] of line.matchAll(/\u001b\[[0-9;]*m|[\s\S]/gu)) {
    if (piece.length > 1 && piece.startsWith('\u001b')) kept += piece;
    else if (width < columns - 1) {
      kept += piece;
      width++;
    }
  }
  return `${kept}…`;
}
