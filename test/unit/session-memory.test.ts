// Limits of the session core that a flood or a greedy neighbour would break: frames without data, and memory that
// several sessions share.

import { expect, test } from 'vitest';
import { Penalties } from '../../src/agent/penalties.ts';
import { writeSession } from '../../src/protocol/envelope.ts';
import { frameTypes, writeFrameHeader } from '../../src/protocol/frame.ts';
import { MemoryBudget } from '../../src/protocol/memory-budget.ts';
import { Pair, sessionId } from './pair.ts';

const kibibyte = 1024;

function frame(type: number, stream: number, payloadBytes = 0): Uint8Array {
  const bytes = new Uint8Array(24 + payloadBytes);
  writeSession(bytes, sessionId);
  writeFrameHeader(bytes, 8, type, payloadBytes, stream, 0);
  return bytes;
}

test.each([
  ['PING', frame(frameTypes.PING, 0)],
  ['SYNC of the session', frame(frameTypes.SYNC, 0)],
  ['SYNC of a stream', frame(frameTypes.SYNC, 1, 17)],
  ['CREDIT', frame(frameTypes.CREDIT, 1, 8)],
  ['FIN', frame(frameTypes.FIN, 1)],
  ['empty DATA', frame(frameTypes.DATA, 1)],
  ['frames of unknown types', frame(99, 0)],
])(
  'a flood of %s ends the session with ERR_RATE_LIMIT, and a second later the count begins anew',
  (_, flood) => {
    const pair = new Pair({}, { maxControlFramesPerSecond: 100 });
    pair.open();
    pair.settle();
    pair.clock.now += 1000;
    for (let i = 0; i < 100; i++) pair.agent.session.receive(flood);
    expect(pair.agent.error).toBeUndefined();
    pair.clock.now += 1000;
    for (let i = 0; i < 100; i++) pair.agent.session.receive(flood);
    expect(pair.agent.error).toBeUndefined();
    pair.agent.session.receive(flood);
    expect(pair.agent.error?.code).toBe('ERR_RATE_LIMIT');
  },
);

test('data is not counted among frames without data, however small', () => {
  const pair = new Pair({}, { maxControlFramesPerSecond: 100 });
  const { stream } = pair.open();
  pair.settle();
  for (let i = 0; i < 1000; i++) {
    stream.write(Buffer.from('x'));
    const message = pair.dialer.session.pull();
    if (message !== undefined) pair.agent.session.receive(message);
  }
  expect(pair.agent.error).toBeUndefined();
  expect(pair.agent.target().bytes).toBe(1000);
});

/** Sessions that share `maxBytes` at their agents, each with one stream whose reader stands still. */
function sharing(maxBytes: number, count: number) {
  const memory = new MemoryBudget(maxBytes);
  const pairs = Array.from({ length: count }, () => {
    const pair = new Pair({}, { memory });
    const dialled = pair.open();
    pair.settle();
    pair.agent.target().reads = false;
    return { pair, ...dialled };
  });
  return { memory, pairs };
}

test('what nobody reads is bounded over all sessions, and the greedy do not starve the others', () => {
  const { memory, pairs } = sharing(1024 * kibibyte, 4);
  const [greedy, , , modest] = pairs as [(typeof pairs)[0], unknown, unknown, (typeof pairs)[0]];
  for (const { pair, stream } of pairs.slice(0, 3)) {
    stream.write(Buffer.alloc(250 * kibibyte));
    pair.settle();
  }
  // The half that is for whoever comes first is gone after two of them.
  expect(greedy.recorder.error).toBeUndefined();
  expect(pairs[2]?.recorder.error?.code).toBe('ERR_BUFFER_LIMIT');
  modest.stream.write(Buffer.alloc(100 * kibibyte));
  modest.pair.settle();
  expect(modest.recorder.error).toBeUndefined();
  expect(modest.pair.agent.target().bytes).toBe(100 * kibibyte);
  expect(memory.heldBytes).toBeLessThanOrEqual(1024 * kibibyte);
});

test('where memory is short, writers are held to one piece at a time, and go on when the peer has it', () => {
  const { memory, pairs } = sharing(1024 * kibibyte, 2);
  const [greedy, modest] = pairs as [(typeof pairs)[0], (typeof pairs)[0]];
  const target = (of: typeof greedy) => of.pair.agent.target().stream;
  const piece = Buffer.alloc(64 * kibibyte);
  let pieces = 0;
  // Nothing is carried, so nothing is acknowledged.
  while (target(greedy)?.write(piece) === true) pieces++;
  expect(pieces).toBeLessThanOrEqual(4);
  for (let i = 0; i < 10; i++) target(greedy)?.write(piece);
  expect(memory.heldBytes).toBeGreaterThan(512 * kibibyte);
  expect(target(modest)?.write(piece)).toBe(true);
  expect(target(modest)?.write(Buffer.alloc(200 * kibibyte))).toBe(false);
  modest.pair.pass(100);
  expect(modest.pair.agent.target().events).toContain('writable');
  expect(modest.recorder.bytes).toBe(264 * kibibyte);
});

test('new streams are refused while memory is short, and taken again once it is not', () => {
  const { pairs } = sharing(1024 * kibibyte, 4);
  for (const { pair, stream } of pairs.slice(0, 2)) {
    stream.write(Buffer.alloc(250 * kibibyte));
    pair.settle();
  }
  const [greedy] = pairs as [(typeof pairs)[0]];
  const refused = greedy.pair.open();
  greedy.pair.settle();
  expect(refused.recorder.error?.code).toBe('ERR_BUFFER_LIMIT');
  greedy.pair.agent.target().stream?.consumed(250 * kibibyte);
  const taken = greedy.pair.open();
  greedy.pair.settle();
  expect(taken.recorder.events).toEqual(['accepted']);
});

test('a session that ends gives back all that it held', () => {
  const { memory, pairs } = sharing(1024 * kibibyte, 2);
  for (const { pair, stream } of pairs) {
    stream.write(Buffer.alloc(100 * kibibyte));
    pair.settle();
    pair.agent.target().stream?.write(Buffer.alloc(50 * kibibyte));
  }
  expect(memory).toMatchObject({ heldBytes: 300 * kibibyte, sessions: 2 });
  for (const { pair } of pairs) pair.agent.session.close('ERR_STOPPED', 'over');
  expect(memory).toMatchObject({ heldBytes: 0, sessions: 0 });
});

test('a principal that broke a rate waits ten seconds, others do not; the table has an end', () => {
  const penalties = new Penalties();
  penalties.punish('mallory', 0);
  expect(penalties.isPunished('mallory', 9999)).toBe(true);
  expect(penalties.isPunished('alice', 0)).toBe(false);
  expect(penalties.isPunished('mallory', 10_000)).toBe(false);
  for (let n = 0; n <= 1024; n++) penalties.punish(`principal-${n}`, 0);
  expect(penalties.isPunished('principal-0', 1)).toBe(false);
  expect(penalties.isPunished('principal-1024', 1)).toBe(true);
});
