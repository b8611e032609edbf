// The short form of `npm run simulate:scale`: what must hold whatever the machine. Counts, never seconds.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { OwnCosts } from './memory-engine.ts';
import type { NatsCosts } from './nats-engine.ts';
import type { Return } from './return.ts';
import { tableOf } from './table.ts';

const main = fileURLToPath(new URL('../../dist/test/scale/main.js', import.meta.url));
const nodes = 2000;

async function figures<Figures>(part: string, ...args: string[]): Promise<Figures> {
  const flags = ['--expose-gc', main, '--part', part, '--nodes', String(nodes), ...args];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as Figures;
}

test('two thousand nodes are registered, dialled and listed by one broker that holds little for each', async () => {
  const costs = await figures<OwnCosts>('memory');
  expect(costs.listed).toBe(nodes);
  expect(costs.answered).toBe(500);
  expect(costs.bytesPerNode).toBeLessThan(4096);
  expect(costs.listBytes).toBeLessThan(nodes * 256);
});

test('two thousand agents that lose a broker are back with it, and not all at once', async () => {
  const wave = await figures<Return>('return', '--upgrade-ms', '0.1');
  const registered = wave.curve.map((second) => second.registered);
  expect(registered.reduce((sum, n) => sum + n, 0)).toBe(nodes);
  // It was away for a second: nobody is back before, and each has asked a few times.
  expect(registered[0]).toBe(0);
  expect(wave.attempts).toBeLessThan(6);
  expect(wave.inVain).toBe(0);
  // Within two seconds of its start. Without jitter, each would have asked as often as every other.
  expect(wave.backMs).toBeLessThan(2500);
  expect(wave.attempts % 1).not.toBe(0);
});

test('a broker that is slower than its agents are patient gets them all back nevertheless', async () => {
  const wave = await figures<Return>('return', '--upgrade-ms', '10');
  expect(wave.inVain).toBeGreaterThan(0);
  expect(wave.curve.reduce((sum, { registered }) => sum + registered, 0)).toBe(nodes);
});

test('on NATS a node is two subscriptions and one message, and a list is whole', async () => {
  const costs = await figures<NatsCosts>('nats');
  expect(costs.subscriptions).toBeGreaterThanOrEqual(2 * nodes);
  expect(costs.subscriptions).toBeLessThan(2 * nodes + 200);
  expect(costs.messagesPerNode).toBeLessThan(1.1);
  expect(costs.idleMessagesPerSecond).toBeLessThan(5);
  expect(costs.listed).toBe(nodes);
  expect(costs.isWhole).toBe(true);
});

test('figures stand side by side', () => {
  expect(
    tableOf([
      { nodes: 1000, ms: 0.126, curve: [] },
      { nodes: 2000, ms: undefined, curve: [] },
    ]),
  ).toBe('| nodes | 1,000 | 2,000 |\n| --- | --: | --: |\n| ms | 0.13 | – |\n');
});
