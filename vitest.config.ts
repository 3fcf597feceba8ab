// Four projects, cheapest first: the laws, pure code, real processes, virtual machines.
import { defineConfig } from 'vitest/config';

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
    projects: [
      { test: { name: 'house', include: ['test/house/**/*.test.ts'] } },
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/house/**', 'test/**/*.real.test.ts', 'test/**/*.vm.test.ts'],
          testTimeout: 60_000,
          // Vitest leaves one processor to itself; these tests wait for nothing, and it is idle while they run.
          maxWorkers: '100%',
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
        },
      },
      {
        // Each virtual machine takes a core, and shaped sites are held to seconds: one file at a time, which may itself run two.
        test: {
          name: 'lab',
          include: ['test/**/*.vm.test.ts', 'test/lab/**/*.real.test.ts'],
          testTimeout: 600_000,
          maxConcurrency: 2,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
