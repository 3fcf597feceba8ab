#!/usr/bin/env node
// Starts Peerboot on Node 24 or later: where the machine's Node is older, the one pinned in the lock file takes over.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const major = Number(process.versions.node.split('.')[0]);
const pinned = here(
  process.platform === 'win32' ? '../node_modules/.bin/node.cmd' : '../node_modules/.bin/node',
);

if (major >= 24) {
  const { main } = await import('../src/main.ts');
  process.exitCode = await main(process.argv.slice(2));
} else if (existsSync(pinned)) {
  const run = spawnSync(pinned, [here('./peerboot.js'), ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
} else {
  console.error(
    `Peerboot needs Node 24 or later; this is ${process.version}. Run \`npm ci\` to get the pinned one.`,
  );
  process.exitCode = 1;
}
