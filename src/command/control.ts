// `peerboot pause`, `resume`, `priority`, `limit`: tell the running peer, or with --everywhere all peers of its site.
import { ROUTES } from '../api/routes.ts';
import { ControlChange, ControlState } from '../api/site.ts';
import { PeerbootError } from '../base/errors.ts';
import { parseSize } from '../io/config-words.ts';
import type { PeerAddressOptions } from './admin-client.ts';
import { reach, saidBy } from './everywhere.ts';
import { colours, formatBytes, printJson } from './terminal.ts';

export interface ControlOptions extends PeerAddressOptions {
  readonly everywhere?: boolean;
  readonly json?: boolean;
}

export const pause = (image: string | undefined, options: ControlOptions) =>
  tell({ kind: 'pause', image }, options);

export const resume = (image: string | undefined, options: ControlOptions) =>
  tell({ kind: 'resume', image }, options);

/** `image`: `all` means every image without a priority of its own. */
export function priority(image: string, value: string, options: ControlOptions): Promise<number> {
  return tell({ kind: 'priority', image: image === 'all' ? undefined : image, priority: value }, options);
}

export interface LimitOptions extends ControlOptions {
  readonly wan?: string;
  readonly lan?: string;
}

export function limit(options: LimitOptions): Promise<number> {
  const { wan, lan, ...rest } = options;
  if (wan === undefined && lan === undefined) {
    throw new PeerbootError(
      'PB-CONFIG-INVALID',
      'nothing to limit: give --wan or --lan, e.g. --wan 2M --lan none',
    );
  }
  return tell({ kind: 'limit', wan: rateOf('--wan', wan), lan: rateOf('--lan', lan) }, rest);
}

/** `2M` → bytes per second; `none` → null. */
function rateOf(flag: string, text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === 'none') return null;
  const rate = parseSize(text.replace(/\/s$/, ''));
  if (rate !== undefined && rate > 0) return rate;
  throw new PeerbootError(
    'PB-CONFIG-INVALID',
    `${flag}: ${JSON.stringify(text)} is no rate; say 500K, 2M (bytes per second) or none`,
  );
}

/** `who`: peers of the site; see `isMeant`. */
export const tag = (who: string, word: string, options: ControlOptions) =>
  tell({ kind: 'tag', tag: word }, options, who);

export const untag = (who: string, word: string, options: ControlOptions) =>
  tell({ kind: 'untag', tag: word }, options, who);

/** Resolves with the exit status: 1 when a peer did not take it. */
async function tell(
  change: Record<string, unknown>,
  options: ControlOptions,
  who: string | undefined = options.everywhere === true ? '*' : undefined,
): Promise<number> {
  const parsed = ControlChange.safeParse(change);
  if (!parsed.success) {
    throw new PeerbootError('PB-CONFIG-INVALID', parsed.error.issues[0]?.message ?? 'wrong form');
  }
  const outcomes = await reach(options, who, async (client) =>
    ControlState.parse(await client.put(ROUTES.control, parsed.data)),
  );
  const failed = outcomes.filter((one) => one.error !== undefined);
  if (options.json === true) {
    printJson({
      ok: failed.length === 0,
      peers: outcomes.map(({ peer, value, error }) => ({
        peer,
        ...(error === undefined ? { control: value } : { error: { code: error.code, what: error.message } }),
      })),
    });
  } else {
    for (const line of saidBy(outcomes, describe)) console.log(line);
  }
  return failed.length === 0 ? 0 : 1;
}

/** All that is in force, in one line. */
export function describe(control: ControlState): string {
  const rate = (value: number | null | undefined) =>
    value === undefined ? 'as configured' : value === null ? 'none' : `${formatBytes(value)}/s`;
  const parts = [
    control.paused ? colours.yellow('paused') : '',
    ...(control.pausedImages.length > 0
      ? [`${colours.yellow('paused')} ${control.pausedImages.join(', ')}`]
      : []),
    control.tagged.length === 0 ? '' : `tagged ${control.tagged.join(', ')}`,
    control.untagged.length === 0 ? '' : `untagged ${control.untagged.join(', ')}`,
    control.priority === 'normal' ? '' : `priority ${control.priority}`,
    ...Object.entries(control.priorities).map(([image, value]) => `${image} ${value}`),
    `limits WAN ${rate(control.wanLimit)}, LAN ${rate(control.lanLimit)}`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
