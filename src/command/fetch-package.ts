// Fetches a package: opens catalogue, sources, staging and the site, hands them to the service, and puts it in place.
import { existsSync } from 'node:fs';
import type { CataloguePackage } from '../api/catalogue.ts';
import { findImage } from '../api/catalogue.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import { printOf } from '../chunk/content-print.ts';
import type { SliceBasis } from '../chunk/tree-writer.ts';
import { type FileChunkStore, openChunkStore } from '../io/chunk-files.ts';
import { systemClock, systemTimers } from '../io/clock.ts';
import { openFolderBasis } from '../io/folder-basis.ts';
import { openStaging, type Staging } from '../io/folder-staging.ts';
import { createFolderWriter } from '../io/folder-writer.ts';
import { digestOf, sha256 } from '../io/hash.ts';
import { openTrustKeeper, pinRoot, type TrustKeeper } from '../io/trust-keeper.ts';
import { unzstd } from '../io/zstd.ts';
import { fetchPackage, openPackage } from '../service/fetch-package.ts';
import type { FetchPorts } from '../service/fetch-ports.ts';
import type { PackageTables } from '../service/fetch-tables.ts';
import { RECEIPT_FORMAT, Receipt, receiptIfThere } from './fetch-receipt.ts';
import { type FetchSources, openFetchSources } from './fetch-sources.ts';
import { createFetchView, type FetchView } from './fetch-view.ts';
import { configOf, type PeerOptions } from './flags.ts';

export interface FetchFlags
  extends Pick<PeerOptions, 'config' | 'root' | 'state' | 'origin' | 'site' | 'interface' | 'peer' | 'json'> {
  readonly source?: string[];
  readonly replace?: boolean;
  /** Commander's: false with --no-peers. */
  readonly peers: boolean;
  readonly sitePort: number;
  readonly keepServing?: number;
  readonly patience: number;
}

type Undo = (() => unknown)[];

const LINGER_SECONDS = 30;
const LOOK_MS = 200;

export async function fetchCommandOf(reference: string, path: string, flags: FetchFlags): Promise<void> {
  const json = flags.json === true;
  const kind = json ? 'json' : process.stderr.isTTY ? 'bar' : 'none';
  const view = createFetchView(kind, systemClock.nowMs, (text) => process.stderr.write(text));
  const undo: Undo = [];
  const end = async () => {
    view.end();
    for (const one of undo.splice(0).reverse()) await one();
  };
  const leaving = whenStopped(end);
  try {
    await Promise.race([fetchTo(reference, path, flags, view, undo), leaving]);
  } finally {
    await end();
  }
}

/** Told to stop, we hand our followers on first; what was fetched stays for the next run. Never resolves: it exits. */
function whenStopped(end: () => Promise<void>): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const [signal, number] of [
      ['SIGINT', 2],
      ['SIGTERM', 15],
    ] as const) {
      process.once(signal, () => end().then(() => process.exit(128 + number), reject));
    }
  });
}

async function fetchTo(
  reference: string,
  path: string,
  flags: FetchFlags,
  view: FetchView,
  undo: Undo,
): Promise<void> {
  const startedMs = systemClock.nowMs();
  const { sitePort: _, source: parent, ...rest } = flags;
  const { config } = configOf({ ...rest, ...(parent === undefined ? {} : { parent }) });
  const replace = flags.replace === true;
  const staging = openStaging(path);
  if (staging.completed() === undefined) staging.requireFree(replace);
  staging.prepare();
  const store = await lockedStore(staging, undo);
  const pinnedRoot = pinRoot(config.stateDir, config.trustRoot);
  const keeper = await openTrustKeeper({ stateDir: config.stateDir, pinnedRoot, log: view.log });
  const sources = await openFetchSources({
    config,
    peers: flags.peers,
    sitePort: flags.sitePort,
    store,
    isCatalogued: (digest) => {
      const { images = [], packages = [] } = keeper.current() ?? {};
      return [...images, ...packages].some(({ manifest }) => manifest.digest === digest);
    },
    catalogueFile: (name) => keeper.current()?.files.get(name),
    log: view.log,
  });
  undo.push(() => sources.close());
  const entry = await findPackage(reference, keeper, sources, view);
  const completed = Receipt.safeParse(staging.completed());
  if (completed.data?.manifest.digest !== entry.manifest.digest) {
    const receipt = await fill(entry, { staging, store, sources, view, flags, startedMs, undo });
    staging.complete(receipt);
    staging.switch(replace);
    view.end();
    view.done(receipt, staging.target);
  } else {
    staging.switch(replace);
    view.done(completed.data, staging.target);
  }
  await keepServing(sources, flags.keepServing);
}

/** Whoever still follows us would have to fetch the rest over the WAN: so we stay, but not for ever. */
async function keepServing(sources: FetchSources, seconds: number | undefined): Promise<void> {
  const untilMs = systemClock.nowMs() + (seconds ?? LINGER_SECONDS) * 1000;
  while (systemClock.nowMs() < untilMs && (seconds !== undefined || sources.isNeeded())) {
    await new Promise<void>((resolve) => systemTimers.after(LOOK_MS, resolve));
  }
}

interface FillParts {
  readonly staging: Staging;
  readonly store: FileChunkStore;
  readonly sources: FetchSources;
  readonly view: FetchView;
  readonly flags: FetchFlags;
  readonly startedMs: number;
  readonly undo: Undo;
}

async function fill(entry: CataloguePackage, parts: FillParts): Promise<Receipt> {
  const { staging, store, sources, view, flags, startedMs, undo } = parts;
  const request = { package: entry, patienceMs: flags.patience * 1000 };
  const { content } = sources;
  const tables = await openPackage(request, { store, small: content, unzstd });
  pinAll(store, tables);
  const { name, version, manifest, imageBytes: archiveBytes, storedBytes } = entry;
  view.started({
    name,
    version,
    manifest,
    archiveBytes,
    storedBytes,
    chunks: tables.chunks.rows,
    pid: process.pid,
  });
  const basis = flags.replace === true ? await basisAt(staging.target, tables) : undefined;
  undo.push(() => basis?.close());
  let fetchedMs = systemClock.nowMs();
  const ports: FetchPorts = {
    store: { ...store, put: ({ digest }, bytes) => content.keep(digest, bytes) },
    small: content,
    open: () => sources.open(entry),
    tree: createFolderWriter(staging.freshTree()),
    basis,
    unzstd,
    sha256,
    clock: systemClock,
    timers: systemTimers,
    onProgress(progress) {
      if (progress.heldBytes < progress.storedBytes) fetchedMs = systemClock.nowMs();
      view.progress(progress, sources.feed());
    },
  };
  const { fetchedBytes, resumedBytes, reusedBytes, files, folders, links, file } = await fetchPackage(
    request,
    tables,
    ports,
  );
  const seconds = (untilMs: number) => Math.round(untilMs - startedMs) / 1000;
  return {
    format: RECEIPT_FORMAT,
    name,
    version,
    manifest,
    ...(file === undefined ? {} : { file }),
    content: digestOf(printOf(tables.slices)),
    archiveBytes,
    storedBytes,
    files,
    folders,
    links,
    bytes: sources.bytes(fetchedBytes),
    resumedBytes,
    reusedBytes,
    fetchSeconds: seconds(fetchedMs),
    seconds: seconds(systemClock.nowMs()),
    finished: new Date().toISOString(),
  };
}

/** What is to be replaced has much of what replaces it, if it is an earlier version. */
function basisAt(target: string, { slices }: PackageTables): Promise<SliceBasis | undefined> {
  if (!existsSync(target)) return Promise.resolve(undefined);
  return openFolderBasis(target, receiptIfThere(target)?.file, slices);
}

/** The store beside the target: what is proved is kept there until the package is in its place. */
async function lockedStore(staging: Staging, undo: Undo): Promise<FileChunkStore> {
  try {
    const store = await openChunkStore({
      folder: staging.chunks,
      quotaBytes: Number.MAX_SAFE_INTEGER,
      clock: systemClock,
    });
    undo.push(async () => {
      await store.close();
      // Only what was not put in place is worth keeping.
      if (staging.isDone()) staging.remove();
    });
    return store;
  } catch (cause) {
    if (!isPeerbootError(cause, 'PB-STORE-LOCKED')) throw cause;
    throw new PeerbootError('PB-FETCH-BUSY', `another fetch into ${staging.target} is under way`, { cause });
  }
}

/** None of them may leave when the disk is full: all are needed. */
function pinAll(store: FileChunkStore, { chunks }: PackageTables): void {
  for (let row = 0; row < chunks.rows; row++) store.pin(chunks.digest(row), 'fetch');
}

/** From the newest catalogue that can be had; when none can, from the last good one. */
async function findPackage(
  reference: string,
  keeper: TrustKeeper,
  sources: FetchSources,
  { log }: FetchView,
): Promise<CataloguePackage> {
  let failure: unknown;
  // Everybody is asked, for the first may stand still; but a version that was found is not another one elsewhere.
  const isFound = () => reference.includes('@') && findImage(keeper.current()?.packages ?? [], reference);
  for (const source of sources.catalogues()) {
    try {
      await keeper.update(source, Date.now());
      if (isFound()) break;
    } catch (error) {
      if (!isPeerbootError(error)) throw error;
      failure ??= error;
    }
  }
  const set = keeper.current();
  if (set === undefined) {
    throw (
      failure ??
      new PeerbootError('PB-CATALOGUE-MISSING', 'no source is configured, and no peer has a catalogue')
    );
  }
  if (keeper.standing(Date.now()) === 'stale')
    log.warn({}, 'the catalogue is past its date, but within its grace');
  const found = findImage(set.packages, reference);
  if (found !== undefined) return found;
  const isImage = findImage(set.images, reference) !== undefined;
  const names = [...new Set(set.packages.map(({ name }) => name))].slice(0, 8).join(', ');
  throw new PeerbootError(
    'PB-PACKAGE-UNKNOWN',
    isImage
      ? `${reference} is a disk image, not a package`
      : `the signed catalogue has no package ${reference}; it has ${names === '' ? 'none' : names}`,
  );
}
