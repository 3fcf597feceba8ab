// Bundles the agent into one file of plain JavaScript, as it lies in the initramfs.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { ROOT } from '../tools/cache.ts';

const AGENT = join(ROOT, 'src/agent-main.ts');
/** Says hello where a whole agent would check in: enough to try kernel, drivers and Node. */
const HELLO = `import { appendFileSync } from 'node:fs';
for (const device of ['/dev/ttyS0', '/dev/tty0']) {
  try { appendFileSync(device, 'peerboot agent: Node ' + process.version + '\\r\\n'); } catch {}
}
setInterval(() => {}, 60_000);`;

/**
 * Of undici what the agent uses. Its index loads fetch, WebSocket, caches and mocks as well, which was a third of all
 * that is evaluated before the agent checks in: seconds where the processor is emulated.
 */
const UNDICI = `
const Dispatcher = require('undici/lib/dispatcher/dispatcher');
const Agent = require('undici/lib/dispatcher/agent');
Object.assign(Dispatcher.prototype, require('undici/lib/api'));
let agent;
exports.Pool = require('undici/lib/dispatcher/pool');
exports.request = (url, options) => {
  const { origin, pathname, search } = new URL(url);
  agent ??= new Agent({ allowH2: false });
  return agent.request({ ...options, origin, path: pathname + search });
};
`;

const leanUndici: Plugin = {
  name: 'lean undici',
  setup(build) {
    build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'lean' }));
    // Every connection of ours says `allowH2: false`; Node's HTTP/2 alone would take as long as all of the agent's own code.
    build.onResolve({ filter: /\/client-h2\.js$/ }, () => ({ path: 'client-h2', namespace: 'lean' }));
    build.onLoad({ filter: /.*/, namespace: 'lean' }, ({ path }) => ({
      contents: path === 'undici' ? UNDICI : 'module.exports = undefined;',
      loader: 'js',
      resolveDir: ROOT,
    }));
  },
};

/** The bundle's bytes: the same sources give the same bytes wherever the checkout lies. */
export async function bundleAgent(): Promise<Uint8Array> {
  const result = await build({
    ...(existsSync(AGENT)
      ? { entryPoints: [AGENT] }
      : { stdin: { contents: HELLO, loader: 'js' as const, resolveDir: ROOT } }),
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    outfile: 'agent.mjs',
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // White space stays: a stack trace on a machine's screen must name a line.
    minifySyntax: true,
    plugins: [leanUndici],
    legalComments: 'none',
    logLevel: 'silent',
    // CommonJS dependencies inside the bundle call require for Node's own modules.
    banner: {
      js: "import { createRequire as peerbootRequire } from 'node:module'; const require = peerbootRequire(import.meta.url);",
    },
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error('esbuild made no file');
  return file.contents;
}
