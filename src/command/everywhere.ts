// Asks one peer, or all live peers of its site, and tells who answered what.
import { ROUTES } from '../api/routes.ts';
import { SiteView } from '../api/site.ts';
import { isPeerbootError, type PeerbootError } from '../base/errors.ts';
import { type AdminClient, adminClient, type PeerAddressOptions } from './admin-client.ts';
import { colours } from './terminal.ts';

export interface Outcome<T> {
  /** Its address as it was asked. */
  readonly peer: string;
  readonly value?: T;
  readonly error?: PeerbootError;
}

/**
 * Everywhere: the peer is asked who is in its site, then each of those with administration is asked itself, all at
 * once; that needs an admin token which they all know. Failures of single peers are outcomes, not errors; alone, the
 * one peer's failure is thrown.
 */
export async function reach<T>(
  options: PeerAddressOptions,
  everywhere: boolean,
  ask: (client: AdminClient) => Promise<T>,
): Promise<readonly Outcome<T>[]> {
  const first = adminClient(options);
  if (!everywhere) return [{ peer: first.base, value: await ask(first) }];
  const { peers } = SiteView.parse(await first.get(ROUTES.site));
  const others = peers
    .slice(1)
    .filter(({ httpPort }) => httpPort > 0)
    .map(({ address, httpPort }) => adminClient({ ...options, peer: `http://${address}:${httpPort}` }));
  return Promise.all(
    [first, ...others].map(async (client): Promise<Outcome<T>> => {
      try {
        return { peer: client.base, value: await ask(client) };
      } catch (error) {
        if (!isPeerbootError(error)) throw error;
        return { peer: client.base, error };
      }
    }),
  );
}

/** One line a peer; below those that did not take it, what to do. */
export function saidBy<T>(outcomes: readonly Outcome<T>[], describe: (value: T) => string): string[] {
  const lines: string[] = [];
  for (const { peer, value, error } of outcomes) {
    if (error === undefined) lines.push(`${colours.green('✔')} ${peer}  ${describe(value as T)}`);
    else {
      lines.push(`${colours.red('✖')} ${peer}  ${colours.bold(error.code)} ${error.message}`);
      lines.push(`    ${colours.cyan('→')} ${remedyOf(error)}`);
    }
  }
  const failed = outcomes.filter(({ error }) => error !== undefined).length;
  if (outcomes.length > 1) lines.push(`${outcomes.length - failed} of ${outcomes.length} peers took it`);
  return lines;
}

function remedyOf(error: PeerbootError): string {
  return error.code === 'PB-ADMIN-FORBIDDEN'
    ? 'Give all peers of the site the same `adminToken`, here in the configuration or as PEERBOOT_ADMIN_TOKEN.'
    : error.remedy;
}
