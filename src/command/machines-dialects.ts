// `peerboot machines dialects`: what the peer has learnt of firmwares, and how to make it forget.
import { FirmwareFacts } from '../api/firmware.ts';
import { ROUTES } from '../api/routes.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { age } from './ladder.ts';
import { colours, formatTable, printJson } from './terminal.ts';

export interface DialectsOptions extends PeerAddressOptions {
  /** A fingerprint, a MAC, or `all`. */
  readonly forget?: string;
  readonly json?: boolean;
}

/** Rejects with PB-HTTP-NOT-FOUND when nothing is remembered of what shall be forgotten. */
export async function machinesDialects(options: DialectsOptions): Promise<void> {
  const client = adminClient(options);
  const { forget, json } = options;
  if (forget !== undefined) {
    await client.delete(
      forget === 'all' ? ROUTES.firmware : `${ROUTES.firmware}/${encodeURIComponent(forget)}`,
    );
    if (json === true) printJson({ ok: true });
    else console.log(`${colours.green('✔')} forgotten, here and at the site's other boot hosts: ${forget}`);
    return;
  }
  const facts = FirmwareFacts.parse(await client.get(ROUTES.firmware));
  if (json === true) printJson(facts);
  else console.log(dialectLines(facts).join('\n'));
}

const DIALECT_WORDS = {
  binl: 'asks port 4011 for its file',
  'offered-file': 'takes the file that the offer names',
} as const;

export function dialectLines({ dialects, secureBoot }: FirmwareFacts): string[] {
  const known = dialects.flatMap(({ dialect, fingerprint, machines, ageMs }) =>
    dialect === null ? [] : [{ dialect, fingerprint, machines, ageMs }],
  );
  const enforcing = secureBoot.filter(({ enforced }) => enforced);
  if (known.length + enforcing.length === 0) {
    return [colours.dim('Nothing has been learnt of any firmware yet: all are answered as their rules say.')];
  }
  const ago = (ageMs: number) => colours.dim(`${age(ageMs)} ago`);
  const rows = [
    ...known.map(({ dialect, fingerprint, machines, ageMs }) => [
      colours.bold(fingerprint),
      dialect,
      DIALECT_WORDS[dialect],
      machines === 0 ? 'on trial' : `${machines} machine${machines === 1 ? '' : 's'}`,
      ago(ageMs),
    ]),
    ...enforcing.map(({ mac, ageMs }) => [
      colours.bold(mac),
      'Secure Boot',
      'refuses what nobody signed',
      '',
      ago(ageMs),
    ]),
  ];
  return formatTable(rows).split('\n');
}
