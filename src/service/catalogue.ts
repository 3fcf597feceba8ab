// The site's signed catalogue: asks the origins for a newer one now and then, and serves the last good one.
import {
  type CatalogueBootEntry,
  type CatalogueImage,
  type CataloguePackage,
  findImage,
} from '../api/catalogue.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { FileSource } from '../chunk/ports.ts';
import type { CatalogueForHttp, CatalogueState } from './http-ports.ts';

/** Port: what checks and keeps signed sets (`openTrustKeeper` of io/trust-keeper). */
export interface SetKeeper {
  current():
    | {
        readonly files: ReadonlyMap<string, Uint8Array>;
        readonly images: readonly CatalogueImage[];
        readonly packages: readonly CataloguePackage[];
        readonly bootEntries: readonly CatalogueBootEntry[];
        readonly unreadable: readonly string[];
        readonly versions: Readonly<Record<string, number>>;
        readonly expires: { readonly role: string; readonly wallMs: number };
      }
    | undefined;
  standing(wallMs: number): 'fresh' | 'stale';
  update(source: FileSource, wallMs: number): Promise<boolean>;
}

export interface CatalogueOptions {
  /** Undefined when no root is pinned: then there is no catalogue, and `reason` says why. */
  readonly keeper: SetKeeper | undefined;
  readonly reason?: string;
  /** Asked in order, every one: the first may be a mirror that stands still. */
  readonly sources: readonly FileSource[];
  readonly refreshMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export interface Catalogue extends CatalogueForHttp {
  /** Asks every source once; never rejects: what was refused is logged and told by `state`. */
  refresh(): Promise<void>;
  /** `name` (its newest version) or `name@version`. */
  find(reference: string): CatalogueImage | undefined;
  /** Goes on refreshing until `stop`. */
  start(): void;
  stop(): void;
}

const FIRST_RETRY_MS = 5_000;
const NOT_YET = 'none is held yet, and no origin has given one';

export function createCatalogue(options: CatalogueOptions): Catalogue {
  const { keeper, sources, clock, timers, log } = options;
  let failure: string | undefined = options.reason;
  let failuresInRow = 0;
  let cancel: (() => void) | undefined;
  let refreshing: Promise<void> | undefined;
  let toldStale = false;

  async function askAll(): Promise<void> {
    if (keeper === undefined || sources.length === 0) return;
    const reasons: string[] = [];
    for (const source of sources) {
      try {
        if (await keeper.update(source, clock.wallMs())) announce(source.name);
      } catch (error) {
        if (!isPeerbootError(error)) throw error;
        const { code, message, remedy } = error;
        reasons.push(`${code} ${message}`);
        log.warn({ code, source: source.name, what: message, remedy }, 'catalogue refused');
      }
    }
    const allFailed = reasons.length === sources.length;
    failure = allFailed ? reasons.join('; ') : undefined;
    failuresInRow = allFailed ? failuresInRow + 1 : 0;
    warnWhenStale();
  }

  function announce(source: string): void {
    const set = keeper?.current();
    if (set === undefined) return;
    const [images, packages, bootEntries] = [set.images, set.packages, set.bootEntries].map((list) =>
      list.map(({ name, version }) => `${name}@${version}`),
    );
    log.info(
      {
        source,
        versions: set.versions,
        images,
        packages,
        bootEntries,
        expires: new Date(set.expires.wallMs).toISOString(),
      },
      'catalogue accepted',
    );
    if (set.unreadable.length > 0)
      log.warn({ targets: set.unreadable }, 'catalogue has entries of an unknown kind');
  }

  function warnWhenStale(): void {
    const { state, reason } = currentState();
    if (state === 'valid') toldStale = false;
    else if (keeper?.current() !== undefined && !toldStale) {
      toldStale = true;
      log.warn({ state, reason }, 'catalogue is not up to date');
    }
  }

  function refresh(): Promise<void> {
    refreshing ??= askAll().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  function schedule(): void {
    const retryMs = FIRST_RETRY_MS * 2 ** (failuresInRow - 1);
    const delayMs = failuresInRow === 0 ? options.refreshMs : Math.min(retryMs, options.refreshMs);
    cancel = timers.after(delayMs, () => {
      refresh()
        .catch((error: unknown) => log.error({ err: error }, 'catalogue refresh broke'))
        .finally(() => {
          if (cancel !== undefined) schedule();
        });
    });
  }

  function currentState(): CatalogueState {
    if (keeper?.current() === undefined) return { state: 'none', reason: failure ?? NOT_YET };
    try {
      const standing = keeper.standing(clock.wallMs());
      if (standing === 'stale') return { state: 'held', reason: failure ?? 'its date has passed' };
      return failure === undefined ? { state: 'valid' } : { state: 'held', reason: failure };
    } catch (error) {
      if (!isPeerbootError(error, 'PB-TRUST-EXPIRED')) throw error;
      return { state: 'none', reason: `${error.code} ${error.message}` };
    }
  }

  const inForce = () => (currentState().state === 'none' ? undefined : keeper?.current());
  const images = () => inForce()?.images ?? [];
  return {
    refresh,
    images,
    packages: () => inForce()?.packages ?? [],
    bootEntries: () => inForce()?.bootEntries ?? [],
    find: (reference) => findImage(images(), reference),
    state: currentState,
    file: async (name) => inForce()?.files.get(name),
    start: schedule,
    stop: () => {
      cancel?.();
      cancel = undefined;
    },
  };
}
