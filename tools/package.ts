// `npm run package [-- <folder>]`: the program as a folder to install: one bundle, no packages but the pinned Node.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import { ROOT } from './cache.ts';

const WORKERS = ['src/io/pack-worker.ts'];

/** Two folders deep, as `src/<room>` is: paths relative to a module stay true. */
const APP = join('lib', 'app');

/** A worker is a file of its own, named by its source in the code that starts it. */
const workerNames: Plugin = {
  name: 'worker-names',
  setup({ onLoad }) {
    onLoad({ filter: /src[/\\]io[/\\]pack-pool\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      return {
        contents: text.replace("new URL('./pack-worker.ts'", "new URL('./pack-worker.js'"),
        loader: 'ts',
      };
    });
  },
};

/** Makes the folder anew and returns the size of its code in bytes. */
export async function makePackage(folder: string): Promise<number> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/main.ts', ...WORKERS],
    outdir: join(folder, APP),
    entryNames: '[name]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    metafile: true,
    plugins: [workerNames],
    // Packages of CommonJS ask for Node's own modules by `require`.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  const starter = readFileSync(join(ROOT, 'bin', 'peerboot.js'), 'utf8');
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin', 'peerboot.js'), starter.replace('../src/main.ts', '../lib/app/main.js'), {
    mode: 0o755,
  });
  for (const file of ['LICENSE', 'SECURITY.md']) copyFileSync(join(ROOT, file), join(folder, file));
  cpSync(join(ROOT, 'packaging'), join(folder, 'packaging'), { recursive: true });
  const { name, version, description, license, type, engines, bin, optionalDependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const manifest = {
    name,
    version,
    description,
    license,
    type,
    private: true,
    engines,
    bin,
    optionalDependencies,
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, 'THIRD-PARTY.md'), thirdParties(metafile));
  return Object.values(metafile.outputs).reduce((total, { bytes }) => total + bytes, 0);
}

/** The licences of everything that is in the bundle, which its authors ask to travel with it. */
function thirdParties(metafile: Metafile): string {
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap(
      (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
    ),
  );
  const parts = [...folders].sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8'));
    const file = readdirSync(join(ROOT, path)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : `\n\n${readFileSync(join(ROOT, path, file), 'utf8').trim()}`;
    return `## ${name} ${version} (${license})${text}`;
  });
  return `# Third-party code in this package\n\n${parts.join('\n\n')}\n`;
}

if (import.meta.main) {
  const folder = process.argv[2] ?? join(ROOT, 'dist', 'peerboot');
  if (existsSync(folder) && !existsSync(join(folder, 'lib'))) {
    throw new Error(`${folder} exists and is no package: it would be emptied`);
  }
  const bytes = await makePackage(folder);
  console.log(
    `${folder}: ${(bytes / 1e6).toFixed(1)} MB of code. \`npm install --omit=dev\` in it brings the pinned Node.`,
  );
}
