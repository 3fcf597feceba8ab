// A store that takes ever newer catalogues until it is killed: prints the version of each once it is accepted.
import { readFileSync } from 'node:fs';
import { silentLog } from '../../src/base/log.ts';
import { openTrustKeeper } from '../../src/io/trust-keeper.ts';
import { originOf, START_MS, type Tree } from './publisher.ts';

const [stateDir, treesFile] = process.argv.slice(2) as [string, string];
const { root, trees } = JSON.parse(readFileSync(treesFile, 'utf8')) as {
  root: string;
  trees: [string, string][][];
};
const asTree = (entries: [string, string][]): Tree =>
  new Map(entries.map(([name, text]) => [name, Buffer.from(text)]));

const keeper = await openTrustKeeper({ stateDir, pinnedRoot: Buffer.from(root), log: silentLog });
for (const entries of trees.slice(keeper.current()?.versions.timestamp ?? 0)) {
  await keeper.update(originOf(asTree(entries)), START_MS);
  // Written at once, so that what is printed was accepted before any kill that follows.
  process.stdout.write(`${keeper.current()?.versions.timestamp}\n`);
}
