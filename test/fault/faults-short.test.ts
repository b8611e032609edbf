// The short form of `npm run faults`: some of its faults, with few streams. Bytes and streams are asserted, never times.

import { afterAll, expect, test } from 'vitest';
import { endure, type Fault, SharedSite } from '../faults/fault.ts';
import { fullDisk, noDescriptors, noDescriptorsAtAgent, noDescriptorsAtDialer } from '../faults/machine.ts';
import { roaming } from '../faults/paths.ts';
import { brokerKilled } from '../faults/processes.ts';

const chosen: readonly Fault[] = [
  brokerKilled,
  roaming,
  fullDisk,
  noDescriptors,
  noDescriptorsAtAgent,
  noDescriptorsAtDialer,
];

const shared = new SharedSite();
afterAll(() => shared[Symbol.asyncDispose]());

test.each(chosen)('$name: no stream is lost, no byte wrong', { timeout: 120_000 }, async (fault) => {
  const row = await endure(fault, 12, 1, shared);
  expect(row.ended).toBe(0);
  expect(row.bytes).toBeGreaterThan(10_000);
});
