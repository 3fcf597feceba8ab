// Boot assets signed by a key of the lab's own, with Debian's shim, as an administrator would make them.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BootAssetsWish, ensureBootAssets } from '../../boot-assets/build.ts';
import { CACHE } from './lab.ts';
import { run } from './process.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));

export interface SignedAssets {
  readonly folder: string;
  /** PEM: what the machines must know. */
  readonly certificate: string;
}

export interface LabKey {
  readonly key: string;
  readonly certificate: string;
}

/** The key stays in the cache, made by openssl when it is not there. */
export async function labKey(): Promise<LabKey> {
  const keys = join(CACHE, 'lab-keys');
  const [key, certificate] = [join(keys, 'db.key'), join(keys, 'db.pem')];
  if (!existsSync(certificate)) {
    mkdirSync(keys, { recursive: true, mode: 0o700 });
    await run('openssl', [
      ...['req', '-new', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650'],
      ...['-subj', '/CN=Peerboot lab', '-keyout', key, '-out', certificate],
    ]);
  }
  return { key, certificate };
}

/** Builds what is wished for, and signs it into `folder`. */
export async function signedAssets(wish: BootAssetsWish, folder: string): Promise<SignedAssets> {
  const { key, certificate } = await labKey();
  const assets = await ensureBootAssets({ ...wish, shim: true });
  await run(process.execPath, [
    ...[PEERBOOT, 'boot-assets', 'sign', '--assets', assets.folder, '--out', folder],
    ...['--key', key, '--cert', certificate, '--json'],
  ]);
  return { folder, certificate };
}
