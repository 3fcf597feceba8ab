// Keeps the last good catalogue in one file, which is replaced whole: what was once accepted is never forgotten.
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { cataloguePath } from '../api/routes.ts';
import { equalBytes, fromText, toText } from '../base/bytes.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { FileSource } from '../chunk/ports.ts';
import { type DurableSteps, ensureFolder, readIfThere, writeDurably } from './state-folder.ts';
import {
  assembleSet,
  judgeHeld,
  type MetadataFiles,
  requireFresh,
  type VerifiedSet,
} from './trust-verify.ts';

const FORMAT = 'peerboot.catalogue-state/1';
const FILE = 'catalogue.json';
const ROOT_FILE = 'root.json';

interface State {
  readonly format: typeof FORMAT;
  /** Every root seen since the pinned one, also when the rest that came with it was refused. */
  readonly roots: Readonly<Record<string, string>>;
  /** The last good set, whole. */
  readonly set: Readonly<Record<string, string>>;
}

export interface TrustKeeper {
  /** The last good set, or undefined before the first. */
  current(): VerifiedSet | undefined;
  /** `fresh`, or `stale` within the publisher's grace; throws PB-TRUST-EXPIRED beyond it. Needs a current set. */
  standing(wallMs: number): 'fresh' | 'stale';
  /**
   * Takes the source's set when it is wholly right and newer; true when the current one changed. Rejects with
   * PB-TRUST-…, PB-CATALOGUE-MISSING or PB-SOURCE-FAILED; then the last good set stays in force.
   */
  update(source: FileSource, wallMs: number): Promise<boolean>;
}

export interface TrustKeeperOptions {
  readonly stateDir: string;
  readonly pinnedRoot: Uint8Array;
  readonly log: Log;
  readonly steps?: DurableSteps;
}

/** Rejects with PB-TRUST-FORGED when the pinned root is none, PB-TRUST-STATE-DAMAGED when the file is not as written. */
export async function openTrustKeeper(options: TrustKeeperOptions): Promise<TrustKeeper> {
  const { stateDir, pinnedRoot, log } = options;
  const path = join(stateDir, FILE);
  let state = readState(path);
  let current = await openSet(pinnedRoot, state, log);

  function save(next: State): void {
    ensureFolder(stateDir);
    writeDurably(path, sealed(next), options.steps === undefined ? {} : { steps: options.steps });
    state = next;
  }

  async function update(source: FileSource, wallMs: number): Promise<boolean> {
    const roots = { ...state?.roots };
    const known = Object.keys(roots).length;
    const held = new Map([...files(state?.roots), ...files(state?.set)]);
    try {
      const set = await assembleSet({
        pinnedRoot,
        held,
        fetchFile: (name, maxBytes) => source.fetchFile(cataloguePath(name), { maxBytes }),
        source: source.name,
        onRoot: (name, bytes) => {
          roots[name] = toText(bytes);
        },
      });
      requireFresh(set, wallMs, source.name);
      if (current !== undefined && sameVersions(current, set)) return false;
      save({ format: FORMAT, roots, set: texts(set.files) });
      current = set;
      return true;
    } catch (error) {
      // A newer root is remembered even so: it may have taken keys away that others now misuse (TUF §5.3.8).
      if (Object.keys(roots).length > known) save({ format: FORMAT, roots, set: state?.set ?? {} });
      throw error;
    }
  }

  return {
    current: () => current,
    standing: (wallMs) => {
      if (current === undefined) throw new Error('assertion failed: asked for the standing of no catalogue');
      return judgeHeld(current, wallMs, 'the catalogue held here');
    },
    update,
  };
}

/** The root given now, or the one remembered in the state folder. Throws PB-TRUST-ROOT-MISSING for neither. */
export function pinnedRoot(stateDir: string, given: string | null): Uint8Array {
  const bytes = readIfThere(given ?? join(stateDir, ROOT_FILE));
  if (bytes !== undefined) return bytes;
  const what =
    given === null ? `no --root is given and none is remembered in ${stateDir}` : `there is no file ${given}`;
  throw new PeerbootError('PB-TRUST-ROOT-MISSING', what);
}

/** `pinnedRoot`, and remembers it. */
export function pinRoot(stateDir: string, given: string | null): Uint8Array {
  const bytes = pinnedRoot(stateDir, given);
  const path = join(stateDir, ROOT_FILE);
  const kept = readIfThere(path);
  if (kept === undefined || !equalBytes(kept, bytes)) {
    ensureFolder(stateDir);
    writeDurably(path, bytes);
  }
  return bytes;
}

/** The kept set, checked anew; undefined when the pinned root is another publisher's than before. */
async function openSet(
  pinnedRoot: Uint8Array,
  state: State | undefined,
  log: Log,
): Promise<VerifiedSet | undefined> {
  const kept = files(state?.set);
  try {
    return await assembleSet({
      pinnedRoot,
      fetchFile: async (name) => kept.get(name),
      source: 'the catalogue held here',
    });
  } catch (error) {
    if (isPeerbootError(error, 'PB-CATALOGUE-MISSING')) return undefined;
    if (!isPeerbootError(error) || kept.size === 0) throw error;
    log.warn({ code: error.code, err: error.message }, 'the catalogue held here is not of the pinned root');
    return undefined;
  }
}

function readState(path: string): State | undefined {
  const bytes = readIfThere(path);
  if (bytes === undefined) return undefined;
  const text = toText(bytes);
  const line = text.indexOf('\n');
  const body = text.slice(line + 1);
  if (text.slice(0, Math.max(line, 0)) !== seal(body)) {
    throw new PeerbootError('PB-TRUST-STATE-DAMAGED', `${path} is not as it was written`);
  }
  return JSON.parse(body) as State;
}

function sealed(state: State): Uint8Array {
  const body = JSON.stringify(state);
  return fromText(`${seal(body)}\n${body}`);
}

/** Against rotten disks, not against attackers: who can write here is root already. */
function seal(body: string): string {
  return `sha256:${hash('sha256', body)}`;
}

function sameVersions(a: VerifiedSet, b: VerifiedSet): boolean {
  return (['root', 'timestamp', 'snapshot', 'targets'] as const).every(
    (role) => a.versions[role] === b.versions[role],
  );
}

function files(record: Readonly<Record<string, string>> = {}): MetadataFiles {
  return new Map(Object.entries(record).map(([name, text]) => [name, fromText(text)]));
}

function texts(map: MetadataFiles): Record<string, string> {
  return Object.fromEntries([...map].map(([name, bytes]) => [name, toText(bytes)]));
}
