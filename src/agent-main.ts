// Where the agent's one bundled file begins: the agent itself, or one of its threads that work on the disk.
import { isMainThread } from 'node:worker_threads';

// Imported on the way, since every thread loads the whole file: a thread must not start HTTP, schemas and signatures.
if (isMainThread) {
  const { main } = await import('./target-main.ts');
  await main();
} else {
  await import('./io/block-device-worker.ts');
}
