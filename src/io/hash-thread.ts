// SHA-256 of chunks by a thread of their own, so that the event loop is left to the sockets.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Digest } from '../base/digest.ts';
import type { ChunkHash, HashedChunk } from '../chunk/ports.ts';
import { digestOf } from './hash.ts';

export interface HashThread {
  readonly hash: ChunkHash;
  isRunning(): boolean;
  close(): Promise<void>;
}

export interface HashThreadOptions {
  /** With one or two processors a thread takes from the sockets what it gives them: measured in docs/benchmarks/relay.md. */
  readonly processors?: number;
  /** It ends, and with it some megabytes, after so long without a chunk. */
  readonly idleMs?: number;
}

const IDLE_MS = 10_000;

/** As text: so it needs no file beside a bundle, and no types to be stripped. */
const PROGRAM = `
const { hash } = require('node:crypto');
const { parentPort } = require('node:worker_threads');
parentPort.on('message', (bytes) => {
  parentPort.postMessage({ hex: hash('sha256', bytes, 'hex'), bytes }, [bytes.buffer]);
});`;

interface Asked {
  resolve(hashed: HashedChunk): void;
  reject(error: unknown): void;
}

/**
 * Starts the thread when the first chunk comes. Should the thread die, the chunks that it had are lost (their promises
 * reject), and the next ones are hashed here.
 */
export function createHashThread(options: HashThreadOptions = {}): HashThread {
  const { processors = availableParallelism(), idleMs = IDLE_MS } = options;
  if (processors <= 2) return { hash: digestOf, isRunning: () => false, close: async () => {} };
  /** It answers in order. */
  const asked: Asked[] = [];
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let broken = false;

  function start(): Worker {
    const started = new Worker(PROGRAM, { eval: true });
    started.on('message', ({ hex, bytes }: { readonly hex: string; readonly bytes: Uint8Array }) => {
      const digest: Digest = `sha256:${hex}`;
      asked.shift()?.resolve({ digest, bytes });
      if (asked.length > 0) return;
      started.unref();
      idle?.refresh();
    });
    started.on('error', (error) => {
      broken = true;
      for (const { reject } of asked.splice(0)) reject(error);
    });
    idle = setTimeout(() => {
      if (asked.length === 0) void close();
    }, idleMs).unref();
    return started;
  }

  async function close(): Promise<void> {
    clearTimeout(idle);
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
    for (const { reject } of asked.splice(0)) reject(new Error('the hash thread was ended'));
  }

  return {
    hash(bytes) {
      // Only whole buffers can be moved.
      if (broken || bytes.length !== bytes.buffer.byteLength) return digestOf(bytes);
      worker ??= start();
      const thread = worker;
      return new Promise((resolve, reject) => {
        asked.push({ resolve, reject });
        thread.ref();
        thread.postMessage(bytes, [bytes.buffer as ArrayBuffer]);
      });
    },
    isRunning: () => worker !== undefined,
    close,
  };
}
