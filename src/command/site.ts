// `peerboot site`: who feeds whom, how fast, what crossed the WAN; live on a terminal. `peerboot ledger`: WAN bytes by day.
import { ROUTES } from '../api/routes.ts';
import { LedgerView, SiteView } from '../api/site.ts';
import { type LedgerKey, type LedgerRow, totalsBy } from '../swarm/ledger.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { pictureLines } from './site-picture.ts';
import { colours, formatBytes, formatTable, printJson } from './terminal.ts';

export interface SiteOptions extends PeerAddressOptions {
  readonly watch?: boolean;
  readonly json?: boolean;
}

const LOOK_MS = 1_000;
/** Where nothing tells: a pipe, a log. */
const DEFAULT_COLUMNS = 120;

/** With `--json` one line of the whole view; with `--watch` one every second. */
export async function site(options: SiteOptions): Promise<void> {
  const client = adminClient(options);
  const live = options.watch ?? (process.stdout.isTTY === true && options.json !== true);
  let ended = false;
  const end = () => {
    ended = true;
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  let drawn = 0;
  do {
    const view = SiteView.parse(await client.get(ROUTES.site));
    if (options.json === true) printJson(view);
    else {
      const lines = pictureLines(view, process.stdout.columns ?? DEFAULT_COLUMNS);
      if (live) lines.push(colours.dim(`at ${client.base} (Ctrl-C ends)`));
      // Not more than the screen has: what scrolled out of it cannot be drawn over.
      const most = process.stdout.isTTY === true ? process.stdout.rows - 1 : lines.length;
      const shown = live ? lines.slice(0, most) : lines;
      process.stdout.write(`${drawn === 0 ? '' : `\u001b[${drawn}A\u001b[J`}${shown.join('\n')}\n`);
      drawn = process.stdout.isTTY === true ? shown.length : 0;
    }
    if (live && !ended) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  } while (live && !ended);
}

export interface LedgerOptions extends PeerAddressOptions {
  readonly by?: keyof LedgerKey;
  readonly json?: boolean;
}

/** WAN bytes of this peer: by day and image, or by one column alone. */
export async function ledger(options: LedgerOptions): Promise<void> {
  const { rows } = LedgerView.parse(await adminClient(options).get(ROUTES.ledger));
  const columns: (keyof LedgerKey)[] = options.by === undefined ? ['day', 'title', 'purpose'] : [options.by];
  const totals = [...totalsBy(rows as readonly LedgerRow[], ...columns)];
  if (options.by === undefined)
    totals.sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : b.bytes - a.bytes));
  if (options.json === true) {
    printJson({ totals, bytes: rows.reduce((sum, row) => sum + row.bytes, 0) });
    return;
  }
  const lines = totals.map((total) => [
    ...columns.map((column) => total[column] || '–'),
    formatBytes(total.bytes),
  ]);
  const all = rows.reduce((sum, row) => sum + row.bytes, 0);
  if (lines.length > 0) console.log(formatTable(lines));
  console.log(colours.bold(`${formatBytes(all)} have crossed the WAN to this peer`));
}
