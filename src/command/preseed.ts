// `peerboot preseed <image>` and `peerboot evict <image>`: have a site hold an image ahead of time, or give it up.
import * as z from 'zod';
import { ROUTES } from '../api/routes.ts';
import { PeerFacts, type ReplicaView, Wish } from '../api/site.ts';
import { type AdminClient, adminClient, type PeerAddressOptions } from './admin-client.ts';
import { reach, saidBy } from './everywhere.ts';
import { bar } from './ladder.ts';
import { colours, formatBytes, printJson } from './terminal.ts';

export interface PreseedOptions extends PeerAddressOptions {
  /** Peers of other sites (`http://…`), each asked for its own site. */
  readonly sites?: readonly string[];
  /** This peer alone is told, not the others of its site. */
  readonly here?: boolean;
  readonly replicas?: number;
  /** Take the wish back. */
  readonly undo?: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** Resolves with the exit status: 1 when one of the peers did not take it. */
export async function preseed(image: string, options: PreseedOptions): Promise<number> {
  const { sites, here, replicas, undo, wait, json, ...address } = options;
  const entries = sites === undefined ? [address] : sites.map((peer) => ({ ...address, peer }));
  const ask = async (client: AdminClient) => {
    if (undo === true) {
      await client.delete(`${ROUTES.preseed}/${encodeURIComponent(image)}`);
      return undefined;
    }
    return Wish.parse(await client.post(ROUTES.preseed, { image, replicas }));
  };
  // Without a token only this machine's own peer may be told, and that is no failure: the wish holds there.
  const everywhere = here !== true && (sites !== undefined || adminClient(address).hasToken);
  const outcomes = (
    await Promise.all(entries.map((entry) => reach(entry, everywhere ? '*' : undefined, ask)))
  ).flat();
  const failed = outcomes.filter(({ error }) => error !== undefined);
  if (json === true) {
    printJson({
      ok: failed.length === 0,
      peers: outcomes.map(({ peer, value, error }) => ({
        peer,
        ...(error === undefined ? { wish: value } : { error: { code: error.code, what: error.message } }),
      })),
    });
  } else {
    const lines = saidBy(outcomes, (wish) =>
      wish === undefined
        ? `${image} need not be held any more`
        : `${wish.image} shall be held by ${wish.replicas} of the site`,
    );
    for (const line of lines) console.log(line);
    if (!everywhere && here !== true && sites === undefined) {
      console.log(
        colours.dim('  without an adminToken only this peer could be told; the others do not know'),
      );
    }
  }
  const show = wait ?? (process.stdout.isTTY === true && json !== true);
  if (show && undo !== true && failed.length < outcomes.length) {
    for (const entry of entries)
      await follow(adminClient(entry), image, { site: everywhere, json: json === true });
  }
  return failed.length === 0 ? 0 : 1;
}

const LOOK_MS = 1_000;

/** Until the peer asked holds its part and, with `site`, the site has the copies; Ctrl-C leaves, the peers go on. */
async function follow(
  client: AdminClient,
  image: string,
  until: { readonly site: boolean; readonly json: boolean },
): Promise<void> {
  const [name, version] = image.split('@');
  const isMeant = ({ title, wanted }: ReplicaView) =>
    wanted > 0 && (version === undefined ? title.startsWith(`${name} `) : title === `${name} ${version}`);
  for (let drawn = false; ; drawn = true) {
    const facts = PeerFacts.parse(await client.get(ROUTES.siteLines));
    const mine = facts.replicas.find(isMeant);
    const done =
      mine !== undefined &&
      (mine.role !== 'keep' || (mine.rows > 0 && mine.held === mine.rows)) &&
      (!until.site || mine.copies >= mine.wanted);
    if (until.json) printJson({ replica: mine ?? null, done });
    else process.stdout.write(`${drawn ? '\u001b[1A\u001b[J' : ''}${progressLine(mine)}\n`);
    if (done) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

export function progressLine(replica: ReplicaView | undefined): string {
  if (replica === undefined) return '  looking for the image';
  const { held, rows, copies, wanted, storedBytes, title, problem } = replica;
  const percent = rows === 0 ? 0 : (held / rows) * 100;
  const site = `${copies} of ${wanted} copies in the site`;
  const trouble = problem === undefined ? '' : ` · ${colours.yellow(problem)}`;
  return `  ${title}  ${bar(percent)} ${percent.toFixed(0).padStart(3)} % of ${formatBytes(storedBytes)} here · ${site}${trouble}`;
}

export interface EvictOptions extends PeerAddressOptions {
  readonly lastCopy?: boolean;
  readonly json?: boolean;
}

export async function evict(image: string, options: EvictOptions): Promise<void> {
  const answer = await adminClient(options).post(ROUTES.evict, { image, lastCopy: options.lastCopy });
  const { freedBytes } = z.object({ freedBytes: z.number() }).parse(answer);
  if (options.json === true) printJson({ ok: true, freedBytes });
  else console.log(`${colours.green('✔')} ${image} is given up here, ${formatBytes(freedBytes)} are free`);
}
