// The place beside the target where a package is prepared, and the switch that puts it in place; a crash is gone on with.
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fromText } from '../base/bytes.ts';
import { PeerbootError } from '../base/errors.ts';
import { realSteps, writeDurably } from './state-folder.ts';

/** What lies in `<target>.partial`. */
export interface Staging {
  /** Absolute. */
  readonly target: string;
  readonly receiptPath: string;
  readonly folder: string;
  /** Of the chunk store. */
  readonly chunks: string;
  /** Makes the folder. */
  prepare(): void;
  /** What is being made of it: nothing lies there when this resolves. */
  freshTree(): string;
  /** Says that the tree is whole and durable, and what it is. */
  complete(receipt: object): void;
  /** The receipt of a tree that is whole but not in its place: an earlier run was cut off there. */
  completed(): object | undefined;
  /** Throws PB-PACKAGE-EXISTS unless it may be replaced. */
  requireFree(replace: boolean): void;
  /** Puts the tree and its receipt in their places. A file changes in one step, a folder in two renames. */
  switch(replace: boolean): void;
  /** Was it switched? */
  isDone(): boolean;
  remove(): void;
}

export function receiptPathOf(target: string): string {
  return `${resolve(target)}.receipt.json`;
}

/** Throws PB-PACKAGE-WRITE when there is no folder to put it in. */
export function openStaging(path: string): Staging {
  const target = resolve(path);
  const folder = `${target}.partial`;
  const [tree, old, receipt] = ['tree', 'old', 'receipt.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const receiptPath = receiptPathOf(target);
  if (!existsSync(dirname(target))) {
    throw new PeerbootError('PB-PACKAGE-WRITE', `there is no folder ${dirname(target)}`);
  }
  let switched = false;

  function requireFree(replace: boolean): void {
    const there = lstatSync(target, { throwIfNoEntry: false });
    if (there === undefined || replace) return;
    throw new PeerbootError('PB-PACKAGE-EXISTS', `${target} exists`);
  }

  return {
    target,
    receiptPath,
    folder,
    chunks: join(folder, 'chunks'),
    prepare: () => writing(folder, () => mkdirSync(folder, { recursive: true })),
    freshTree() {
      writing(folder, () => {
        rmSync(receipt, { force: true });
        rmSync(tree, { recursive: true, force: true });
      });
      return tree;
    },
    complete: (value) =>
      writing(receipt, () => writeDurably(receipt, fromText(`${JSON.stringify(value, null, 2)}\n`))),
    completed: () => (existsSync(receipt) ? JSON.parse(readFileSync(receipt, 'utf8')) : undefined),
    requireFree,
    switch(replace) {
      writing(target, () => {
        // After a cut between the two renames the tree is still here; after the second it is not.
        if (existsSync(tree)) {
          requireFree(replace);
          moveAway(target, tree, old);
          renameSync(tree, target);
        }
        realSteps.syncFolder(dirname(target));
        renameSync(receipt, receiptPath);
        realSteps.syncFolder(dirname(target));
      });
      switched = true;
    },
    isDone: () => switched,
    remove: () => writing(folder, () => rmSync(folder, { recursive: true, force: true })),
  };
}

/** A rename takes the place of a file, but of no folder that has anything in it (rename(2)). */
function moveAway(target: string, tree: string, old: string): void {
  const there = lstatSync(target, { throwIfNoEntry: false });
  if (there === undefined || (!there.isDirectory() && lstatSync(tree).isFile())) return;
  rmSync(old, { recursive: true, force: true });
  renameSync(target, old);
}

function writing<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    if (cause instanceof PeerbootError) throw cause;
    throw new PeerbootError('PB-PACKAGE-WRITE', `${basename(path)}: ${(cause as Error).message}`, { cause });
  }
}
