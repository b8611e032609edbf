// Floods against real processes: what a neighbour feels while they go on, printed and held to a ratio.

import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { median } from '../../bench/figures.ts';
import { connect } from '../../src/client/index.ts';
import { type Figures, figuresOf } from '../rig/prometheus.ts';
import { Network, type Program, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

const attacker = fileURLToPath(new URL('../../dist/test/attacks/main.js', import.meta.url));
/**
 * With and without the attack in turn, and each turn held against its neighbour, so that what else the machine does is in
 * both. A turn that something else disturbed says nothing; so there are more of them as long as the median is not good.
 */
const [leastTurns, mostTurns] = [5, 25];
const turnMs = 400;

/**
 * From an address of its own, as attackers are, and at the least priority: its own work is done elsewhere in earnest,
 * and must not be taken for what it does to others.
 */
async function attack(network: Network, kind: string): Promise<Program> {
  const { rig, url } = network;
  const token = rig.write(`${kind}.token`, await rig.token('--dial', 'edge-*', '--subject', 'mallory'));
  const program = rig.start('nice', ['-n', '19', process.execPath, attacker, kind, url, token, '127.0.0.66']);
  await program.ports();
  return program;
}

async function doneBy(program: Program): Promise<Record<string, number>> {
  await program.kill('SIGTERM');
  const [line] = await program.said(/\{.*"msg":"done".*\}/);
  return JSON.parse(line) as Record<string, number>;
}

/** Round trips of 64 bytes, one after the other, in ms. */
async function roundTrips(socket: Duplex): Promise<number[]> {
  const times: number[] = [];
  const bytes = Buffer.alloc(64, 'x');
  let received = 0;
  let whole = () => {};
  const onData = (chunk: Buffer) => {
    received += chunk.length;
    if (received === bytes.length) whole();
  };
  socket.on('data', onData);
  for (const until = performance.now() + turnMs; performance.now() < until; ) {
    const started = performance.now();
    received = 0;
    socket.write(bytes);
    await new Promise<void>((resolve) => {
      whole = resolve;
    });
    times.push(performance.now() - started);
  }
  socket.off('data', onData);
  return times;
}

async function neighbourOf(network: Network): Promise<Duplex> {
  const { rig } = network;
  const port = await listen(rig, (socket) => socket.pipe(socket));
  const broker = connect({ url: network.url, token: network.dialToken });
  rig.defer(() => broker.close());
  const socket = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port });
  rig.defer(() => socket.destroy());
  return socket;
}

interface Felt {
  readonly done: Record<string, number>;
  /** Of each turn, the median round trip under attack by the median without; of these the median. */
  readonly ratio: number;
}

async function felt(network: Network, kind: string): Promise<Felt> {
  const socket = await neighbourOf(network);
  await roundTrips(socket);
  const program = await attack(network, kind);
  const ratios: number[] = [];
  while (ratios.length < leastTurns || (median(ratios) >= 2 && ratios.length < mostTurns)) {
    const during = median(await roundTrips(socket));
    program.child.kill('SIGSTOP');
    const without = median(await roundTrips(socket));
    program.child.kill('SIGCONT');
    console.log(`${kind}: ${during.toFixed(2)} ms under attack, ${without.toFixed(2)} ms without`);
    ratios.push(during / without);
  }
  const [done, ratio] = [await doneBy(program), median(ratios)];
  console.log(`${kind}: ratio ${ratio.toFixed(2)}; the attacker's own count: ${JSON.stringify(done)}`);
  return { done, ratio };
}

interface Watched {
  readonly network: Network;
  /** The agent's figures. */
  atAgent(): Promise<Figures>;
}

async function watchedNetwork(rig: Rig, ...more: string[]): Promise<Watched> {
  const network = await Network.start(rig, '127.0.0.1:*', ['--metrics', '127.0.0.1:0', ...more]);
  const [port = 0] = await network.agent.ports();
  return { network, atAgent: () => figuresOf(port) };
}

test('rapid reset as fast as it goes: the session ends, the principal waits, a neighbour stays within twice', async () => {
  await using rig = new Rig();
  const { network, atAgent } = await watchedNetwork(rig);
  const { done, ratio } = await felt(network, 'rapid-reset');
  const agent = await atAgent();
  expect(done.pairs).toBeGreaterThan(5000);
  expect(agent.get('fairlead_sessions_ended_total{code="ERR_RATE_LIMIT"}')).toBeGreaterThan(0);
  expect(agent.get('fairlead_sessions_refused_total{code="ERR_RATE_LIMIT"}')).toBeGreaterThan(0);
  // Taken back before it was begun: not one of them was a connection.
  expect(agent.get('fairlead_dials_total{outcome="connected"}')).toBe(1);
  expect(ratio).toBeLessThan(2);
});

test('rapid reset just below every limit: a neighbour stays within twice', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const { done, ratio } = await felt(network, 'rapid-reset-below');
  expect(done.pairs).toBeGreaterThan(1000);
  expect(ratio).toBeLessThan(2);
});

test('resets that come later, when each dial has begun: a neighbour stays within twice', async () => {
  await using rig = new Rig();
  // What is dialled in earnest costs time, and the owner of a small machine says how much of it one session may take.
  const { network, atAgent } = await watchedNetwork(rig, '--max-dials-per-second', '200');
  const { done, ratio } = await felt(network, 'reset-later');
  const agent = await atAgent();
  expect(done.pairs).toBeGreaterThan(1000);
  // Nobody listens at port 9: these were dialled, and not taken back in time.
  expect(agent.get('fairlead_dials_total{outcome="ECONNREFUSED"}')).toBeGreaterThan(0);
  expect(ratio).toBeLessThan(2);
});

test('wrong tokens without end from one address: at most a hundred a minute are looked at, others feel nothing', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const { done, ratio } = await felt(network, 'wrong-tokens');
  const broker = await figuresOf(network.port);
  const { '401': lookedAt = 0, '101': letIn = 0, '429': told = 0, reset = 0 } = done;
  expect(letIn).toBe(0);
  expect(lookedAt).toBeLessThanOrEqual(120);
  expect(told + reset).toBeGreaterThan(0);
  expect(broker.get('fairlead_refusals_total{reason="auth-failures"}')).toBeGreaterThan(0);
  expect(ratio).toBeLessThan(2);
  // The owner of a good token comes from elsewhere, and is let in.
  await using another = connect({ url: network.url, token: network.dialToken });
  expect((await another.nodes()).map(({ node }) => node)).toEqual(['edge-1']);
});
