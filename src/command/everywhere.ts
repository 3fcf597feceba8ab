// Asks one peer, or all live peers of its site, and tells who answered what.
import { ROUTES } from '../api/routes.ts';
import { type SitePeerView, SiteView } from '../api/site.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import { type AdminClient, adminClient, type PeerAddressOptions } from './admin-client.ts';
import { colours } from './terminal.ts';

export interface Outcome<T> {
  /** Its address as it was asked. */
  readonly peer: string;
  readonly value?: T;
  readonly error?: PeerbootError;
}

/**
 * `who`: the peer is asked who is in its site, then each of those that are meant is asked itself, all at once; others than
 * this machine's own need an admin token which they all know. Failures of single peers are outcomes, not errors. Without
 * `who` the one peer is asked, and its failure is thrown. Rejects with PB-PEER-UNKNOWN when nobody is meant.
 */
export async function reach<T>(
  options: PeerAddressOptions,
  who: string | undefined,
  ask: (client: AdminClient) => Promise<T>,
): Promise<readonly Outcome<T>[]> {
  const first = adminClient(options);
  if (who === undefined) return [{ peer: first.base, value: await ask(first) }];
  const { peers } = SiteView.parse(await first.get(ROUTES.site));
  const clients = peers.flatMap((peer, place) => {
    if (peer.httpPort === 0 || !isMeant(peer, who)) return [];
    return [
      place === 0 ? first : adminClient({ ...options, peer: `http://${peer.address}:${peer.httpPort}` }),
    ];
  });
  if (clients.length === 0) {
    const names = peers.flatMap(({ facts, address }) =>
      facts === undefined ? [] : [`${facts.name} (${address})`],
    );
    throw new PeerbootError('PB-PEER-UNKNOWN', `${JSON.stringify(who)} is none of ${names.join(', ')}`);
  }
  return Promise.all(
    clients.map(async (client): Promise<Outcome<T>> => {
      try {
        return { peer: client.base, value: await ask(client) };
      } catch (error) {
        if (!isPeerbootError(error)) throw error;
        return { peer: client.base, error };
      }
    }),
  );
}

/** `*`, a peer's id, address or name, a name with `*` in it, or `tag:<word>`: all that have this tag. */
export function isMeant({ id, address, tags, facts }: SitePeerView, who: string): boolean {
  if (who.startsWith('tag:')) return tags.includes(who.slice('tag:'.length));
  if (who === '*' || who === id || who === address) return true;
  const words = who.split('*').map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return facts !== undefined && new RegExp(`^${words.join('.*')}$`, 'i').test(facts.name);
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
