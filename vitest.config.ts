import { defineConfig } from 'vitest/config';

/** What weighs one time against another has the machine to itself, after all the others. */
const weighing = ['test/fault/attack-flood.test.ts'];
/** What starts no more than a command that ends: these files share their processes, and load what they test but once. */
const units = ['test/unit/**/*.test.ts'];
/** End-to-end tests start real processes and must not starve one another. */
const maxWorkers = 2;

export default defineConfig({
  test: {
    // What is waited for may take its time on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'units', include: units, maxWorkers, isolate: false } },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...units, ...weighing],
          maxWorkers,
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: weighing, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
