// Asks one origin for its catalogue and proves it against the pinned root, keeping nothing.
import { cataloguePath } from '../api/routes.ts';
import type { Config } from '../io/config-keys.ts';
import { createHttpSource } from '../io/http-source.ts';
import { pinnedRoot } from '../io/trust-keeper.ts';
import { assembleSet, requireFresh, type VerifiedSet } from '../io/trust-verify.ts';

/** Rejects with PB-TRUST-…, PB-CATALOGUE-MISSING or PB-SOURCE-FAILED. */
export async function checkOrigin(
  base: string,
  config: Pick<Config, 'stateDir' | 'trustRoot'>,
): Promise<VerifiedSet> {
  const source = createHttpSource({ base });
  try {
    const set = await assembleSet({
      pinnedRoot: pinnedRoot(config.stateDir, config.trustRoot),
      fetchFile: (name, maxBytes) => source.fetchFile(cataloguePath(name), { maxBytes }),
      source: base,
    });
    requireFresh(set, Date.now(), base);
    return set;
  } finally {
    await source.close();
  }
}
