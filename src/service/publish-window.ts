// Keeps a bounded number of tasks under way: enough for all cores, no more than fits into memory.

export interface Window {
  /** Resolves as soon as the task has begun; rejects when it, or one before it, failed. */
  run(task: () => Promise<void>): Promise<void>;
  /** Resolves when every task has ended; rejects when one failed. */
  drain(): Promise<void>;
}

export function createWindow(size: number): Window {
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;

  const check = (): void => {
    if (failure !== undefined) throw failure.error;
  };
  return {
    async run(task) {
      while (running.size >= size) await Promise.race(running);
      check();
      const ended: Promise<void> = task()
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => {
          running.delete(ended);
        });
      running.add(ended);
    },
    async drain() {
      await Promise.all(running);
      check();
    },
  };
}
