// Node for the agent: the registry's package for its processor, as the lock file pins it.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { PeerbootError } from '../src/base/errors.ts';
import { cached, ROOT, recipeDigest } from '../tools/cache.ts';
import { run } from '../tools/run.ts';
import type { Architecture } from './initramfs.ts';

export interface NodeProgram {
  /** Name of the package. */
  readonly name: string;
  readonly path: string;
  readonly version: string;
}

/** npm installs only the package that fits this host: the other one is fetched, and proved by the lock file. */
export async function nodeProgram(
  architecture: Architecture,
  progress: (line: string) => void,
): Promise<NodeProgram> {
  const name = `node-linux-${architecture}`;
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { version: string; integrity: string } | undefined>>;
  };
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new PeerbootError('PB-BUILD-FAILED', `package-lock.json has no ${name}`);
  const { version, integrity } = locked;
  const installed = join(ROOT, 'node_modules', name, 'bin/node');
  if (existsSync(installed)) return { name, path: installed, version };
  const folder = await cached('node', recipeDigest([name, integrity]), async (into) => {
    progress(`fetching ${name} ${version}`);
    const packed = await run('npm', ['pack', '--silent', `${name}@${version}`], { cwd: into });
    const file = join(into, packed.trim().split('\n').at(-1) ?? '');
    const [algorithm = '', digest] = integrity.split(/-(.*)/);
    if (createHash(algorithm).update(readFileSync(file)).digest('base64') !== digest) {
      throw new PeerbootError('PB-BUILD-FAILED', `${name} ${version} is not what package-lock.json says`);
    }
    await run('tar', ['-xzf', file, '-C', into, 'package/bin/node']);
    renameSync(join(into, 'package/bin/node'), join(into, 'node'));
    await run('rm', ['-r', file, join(into, 'package')]);
  });
  return { name, path: join(folder, 'node'), version };
}
