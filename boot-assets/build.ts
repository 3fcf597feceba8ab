// `npm run boot-assets -- [--kernel generic|cloud] [--root <root.json>] …`: builds, shows sizes.
import { existsSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isPeerbootError } from '../src/base/errors.ts';
import { CACHE } from '../tools/cache.ts';
import { KERNELS, type KernelKind, NBP_NAMES } from './base.ts';
import type { Architecture } from './initramfs.ts';
import { ensureBootAssets } from './recipe.ts';

export { type BootAssets, type BootAssetsWish, ensureBootAssets } from './recipe.ts';

const USAGE = `Usage: npm run boot-assets -- [--kernel ${Object.keys(KERNELS).join('|')}] [--arch x64|arm64]… [--root <root.json>] [--nbp <name>=<path>]… [--firmware <folder>] [--shim]
NBPs: ${NBP_NAMES.join(', ')}, or signed-ipxe/<name>, grub/<name>, <name>-arm64.efi…`;

async function main(words: string[]): Promise<number> {
  const { values } = parseArgs({
    args: words,
    options: {
      kernel: { type: 'string', default: 'generic' },
      root: { type: 'string' },
      firmware: { type: 'string' },
      shim: { type: 'boolean', default: false },
      arch: { type: 'string', multiple: true, default: ['x64'] },
      nbp: { type: 'string', multiple: true, default: [] },
    },
  });
  const nbps = values.nbp.map((pair) => pair.split(/=(.*)/).slice(0, 2) as [string, string]);
  const isKnown =
    Object.hasOwn(KERNELS, values.kernel) &&
    values.arch.every((arch) => arch === 'x64' || arch === 'arm64') &&
    nbps.every(([name]) => /^[A-Za-z0-9][\w.-]{0,63}(\/[A-Za-z0-9][\w.-]{0,63})?$/.test(name));
  if (!isKnown || nbps.some(([, path]) => !existsSync(path ?? ''))) {
    console.error(USAGE);
    return 2;
  }
  const { folder, provenance } = await ensureBootAssets({
    kernel: values.kernel as KernelKind,
    architectures: values.arch as Architecture[],
    root: values.root,
    firmware: values.firmware,
    shim: values.shim,
    nbps: Object.fromEntries(nbps),
    progress: (line) => console.log(line),
  });
  pointAt(folder);
  for (const { name, sizeBytes, sha256, origin, version } of provenance.files) {
    const size = `${(sizeBytes / 1e6).toFixed(2)} MB`.padStart(10);
    console.log(`${name.padEnd(18)} ${size}  ${sha256.slice(0, 16)}  ${origin} ${version}`);
  }
  if (provenance.trustRoot === null)
    console.log('no trust root inside: give --root <root.json> for real use');
  console.log(folder);
  return 0;
}

const CURRENT = join(CACHE, 'assets/current');

/** `current` is swapped in one step: whoever starts now sees the old folder or the new one. */
function pointAt(folder: string): void {
  const next = `${CURRENT}.next`;
  rmSync(next, { force: true });
  symlinkSync(basename(folder), next);
  renameSync(next, CURRENT);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(isPeerbootError(error) ? `${error.code}: ${error.message}\n${error.remedy}` : error);
    process.exitCode = 1;
  }
}
