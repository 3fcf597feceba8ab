// Publishes a disk image, package or boot entry: opens the tree, the keys and the worker threads, hands them to the service, and tells the result.
import { mkdirSync } from 'node:fs';
import type { BootDescription } from '../api/boot-entry.ts';
import type { ContentKind } from '../chunk/names.ts';
import { openContentTree } from '../io/content-tree.ts';
import { digestOf } from '../io/hash.ts';
import { createPackPool } from '../io/pack-pool.ts';
import { openTrustWriter } from '../io/trust-writer.ts';
import { unzstd } from '../io/zstd.ts';
import { type PublishSummary, publish } from '../service/publish.ts';
import { firmwaresText } from './images.ts';
import { describeEntry, type EntryFlags } from './publish-entry.ts';
import { createProgressView } from './publish-progress.ts';
import { colours, formatBytes, formatTable, printJson } from './terminal.ts';

export interface PublishFlags extends EntryFlags {
  readonly kind: ContentKind;
  readonly name: string;
  readonly version: string;
  readonly to: string;
  readonly keys: string;
  /** Percent. */
  readonly maxWaste: number;
  readonly json?: boolean;
}

export async function publishImage(path: string, flags: PublishFlags): Promise<PublishSummary> {
  const { kind, name, version } = flags;
  const json = flags.json === true;
  const started = performance.now();
  const boot = kind === 'boot-entry' ? await describeEntry(path, name, flags) : undefined;
  const pool = createPackPool();
  try {
    const opened = kind === 'image' ? undefined : pool.openPackage(path);
    const cut = opened ?? pool.openImage(path);
    const { files, warnings = [] } = opened ?? {};
    if (!json) for (const warning of warnings) console.error(`${colours.yellow('!')} ${warning}`);
    const about = opened === undefined ? { kind } : { kind, files, warnings, boot };
    mkdirSync(flags.to, { recursive: true });
    const tree = openContentTree(flags.to);
    try {
      const catalogue = await openTrustWriter({ tree: flags.to, keysFolder: flags.keys, wallMs: Date.now });
      const view = createProgressView({
        kind: json ? 'json' : process.stderr.isTTY ? 'bar' : 'none',
        nowMs: () => performance.now(),
        write: (text) => process.stderr.write(text),
      });
      const ports = {
        image: cut,
        packer: pool.packer,
        tree,
        catalogue,
        digestOf,
        unzstd,
        onProgress: view.show,
      };
      const firmwares = kind === 'image' ? flags.firmware : undefined;
      const request = { kind, boot, firmwares, name, version, maxWaste: flags.maxWaste / 100 };
      const summary = await publish(request, ports).finally(view.end);
      const seconds = (performance.now() - started) / 1000;
      const trust = {
        root: catalogue.rootFile,
        fingerprint: catalogue.rootFingerprint,
        newKeys: catalogue.keysAreFresh,
      };
      if (json)
        printJson({ event: 'published', ok: true, ...about, name, version, seconds, ...summary, ...trust });
      else tell(flags, summary, seconds, trust, boot);
      return summary;
    } finally {
      tree.close();
    }
  } finally {
    await pool.close();
  }
}

function tell(
  { kind, name, version, to, keys }: PublishFlags,
  summary: PublishSummary,
  seconds: number,
  trust: { readonly root: string; readonly fingerprint: string; readonly newKeys: boolean },
  boot: BootDescription | undefined,
): void {
  const dataBytes = summary.imageBytes - summary.zeroBytes;
  const ratio = summary.storedBytes === 0 ? '' : `${(dataBytes / summary.storedBytes).toFixed(2)} : 1`;
  const rows: [string, number, string][] = [
    [kind, summary.imageBytes, `${(summary.imageBytes / seconds / 1e6).toFixed(0)} MB/s`],
    ['zeros', summary.zeroBytes, 'neither kept nor sent'],
    ['stored', summary.storedBytes, `${ratio} packed, ${summary.newChunks + summary.sharedChunks} chunks`],
    ['  new', summary.newBytes, resumed(summary)],
    ['  shared', summary.sharedBytes, 'with what the tree had already'],
    ['  wasted', summary.wastedBytes, waste(summary)],
  ];
  const verb = summary.changed ? 'published' : 'is published already, with this very content:';
  console.log(
    `${colours.green('✔')} ${colours.bold(`${name}@${version}`)} ${verb} in ${to} (${seconds.toFixed(1)} s)`,
  );
  console.log(
    formatTable(rows.map(([what, bytes, note]) => [`  ${what}`, formatBytes(bytes), colours.dim(note)])),
  );
  if (kind === 'image') console.log(`  boots on ${bootsOn(summary)}`);
  if (boot !== undefined) console.log(`  ${boot.title}: ${boot.start.way}, for ${boot.firmwares.join(', ')}`);
  if (!trust.newKeys) return;
  console.log(`  New signing keys are in ${keys}: keep a copy in a safe place.`);
  console.log(`  Peers must be given ${trust.root} (--root), whose digest is\n  ${trust.fingerprint}`);
}

function bootsOn({ firmwares, unsigned }: PublishSummary): string {
  const text = firmwaresText({ firmwares: [...firmwares], unsigned: [...unsigned] });
  if (unsigned.length > 0)
    return `${text}; ${colours.yellow('not where Secure Boot is enforced')}: its program is not signed (docs/images.md)`;
  if (text !== '') return text;
  return colours.dim('nothing that can be told from it, so every machine takes it (`--firmware` says it)');
}

function resumed({ resumedBytes }: PublishSummary): string {
  return resumedBytes === 0 ? '' : `${formatBytes(resumedBytes)} of it packed by an interrupted run`;
}

function waste({ repackedBytes }: PublishSummary): string {
  const repacked =
    repackedBytes === 0 ? '' : `; ${formatBytes(repackedBytes)} of slices were packed anew to bound it`;
  return `of the shared bytes, of no use to a new site${repacked}`;
}
