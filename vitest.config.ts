// Six projects, cheapest first: the laws, pure code, real processes, sites of processes, virtual machines.
import { defineConfig } from 'vitest/config';
import { SlowestFirst } from './test/support/slowest-first.ts';

export default defineConfig({
  test: {
    // `npm run coverage`: the rooms where nothing is real, so nothing excuses a branch that no test takes.
    coverage: {
      provider: 'v8',
      include: ['base', 'dhcp', 'tftp', 'capture', 'chunk', 'boot', 'imaging', 'swarm'].map(
        (room) => `src/${room}/**/*.ts`,
      ),
      reporter: [['text', { skipFull: true }], 'json', 'html'],
      reportOnFailure: true,
      thresholds: {
        'src/**/*.ts': { branches: 100, functions: 100 },
      },
    },
    sequence: { sequencer: SlowestFirst },
    projects: [
      { test: { name: 'house', include: ['test/house/**/*.test.ts'] } },
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/house/**', 'test/**/*.{real,vm,phone}.test.ts'],
          // Hundreds of simulated sites in one test, three times as slow while coverage is counted.
          testTimeout: 180_000,
          // Vitest leaves one processor to itself; these tests wait for nothing, and it is idle while they run.
          maxWorkers: '100%',
          // Pure code leaves nothing behind: one process loads it once for all files.
          isolate: false,
        },
      },
      {
        // Real sockets, processes and network namespaces, which wait for one another a third of the time: three files on two cores.
        test: {
          name: 'real',
          include: ['test/**/*.real.test.ts'],
          exclude: ['test/lab/**'],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Sites on shaped links are held to seconds: nothing runs beside them.
        test: {
          name: 'lab',
          include: ['test/lab/**/*.real.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Needs a browser, which is larger than all the rest that tests need: `npm run test:phone`, not part of `npm test`.
        test: {
          name: 'phone',
          include: ['test/**/*.phone.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        // Each virtual machine takes a core while it computes, and waits half of its time: two files, of two cases each.
        test: {
          name: 'vm',
          include: ['test/**/*.vm.test.ts'],
          testTimeout: 800_000,
          hookTimeout: 900_000,
          maxConcurrency: 2,
          maxWorkers: 2,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
