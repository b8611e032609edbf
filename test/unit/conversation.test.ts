// Somebody who converses beside bulk: how much is in front of what he says, and when bulk has the path for itself again.

import { expect, test } from 'vitest';
import { PathWindow } from '../../src/protocol/path-window.ts';
import { Session, type Stream } from '../../src/protocol/session.ts';

const kib = 1024;
const path = { maxMessageBytes: 262_144, inFlightBytes: 16_777_216, messagesAreDear: false };
const stepMs = 0.25;
/** What the way from the agent carries in a step. */
const stepBytes = 64 * kib;

/** Two sessions; what the agent says queues in front of a path of a fixed rate, first come, first served. */
class SlowPath {
  nowMs = 0;
  bulk: Stream | undefined;
  talk: Stream | undefined;
  /** Bytes of the conversation that have come back to the dialer. */
  heard = 0;
  bulkBytes = 0;
  private readonly queue: Uint8Array[] = [];
  private allowance = 0;
  private readonly agent: Session;
  private readonly dialer: Session;

  constructor(isDear = false) {
    const now = () => this.nowMs;
    const quiet = { now, outputReady: () => {}, wakeAt: () => {}, closed: () => {} };
    const silent = { data: () => {}, end: () => {}, writable: () => {}, closed: () => {} };
    this.agent = new Session('agent', 1n, {
      ...quiet,
      opened: (stream, { port }) => {
        stream.handler = silent;
        stream.accept({ address: '127.0.0.1', port, family: 'IPv4' });
        if (port === 1) this.bulk = stream;
        else this.talk = stream;
      },
    });
    this.dialer = new Session('dialer', 1n, quiet);
    for (const session of [this.agent, this.dialer]) session.linkUp({ ...path, messagesAreDear: isDear });
    for (const port of [1, 2]) {
      const stream: Stream = this.dialer.open(
        { host: 'target', port },
        {
          ...silent,
          data: (chunk) => {
            if (port === 2) this.heard += chunk.length;
            else this.bulkBytes += chunk.length;
            stream.consumed(chunk.length);
          },
        },
      );
    }
    this.run(20);
  }

  run(ms: number, withBulk = false): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += stepMs) this.step(withBulk);
  }

  get queuedBytes(): number {
    return this.queue.reduce((total, { length }) => total + length, 0);
  }

  /** How long 64 bytes of the agent's take beside bulk until the dialer has them, in ms. */
  speak(): number {
    const [before, sinceMs] = [this.heard, this.nowMs];
    this.talk?.write(new Uint8Array(64));
    while (this.heard === before) this.run(stepMs, true);
    return this.nowMs - sinceMs;
  }

  private step(withBulk: boolean): void {
    while (withBulk && this.bulk?.write(new Uint8Array(65_024)));
    drain(this.dialer, (message) => this.agent.receive(message));
    drain(this.agent, (message) => this.queue.push(message));
    this.allowance += stepBytes;
    for (
      let next = this.queue[0];
      next !== undefined && next.length <= this.allowance;
      next = this.queue[0]
    ) {
      this.queue.shift();
      this.allowance -= next.length;
      this.dialer.receive(next);
    }
    if (this.queue.length === 0) this.allowance = 0;
    for (const session of [this.agent, this.dialer]) session.advance();
  }
}

function drain(session: Session, take: (message: Uint8Array) => void): void {
  for (let message = session.pull(); message !== undefined; message = session.pull()) take(message);
}

test('who converses beside bulk waits behind little of it, and bulk loses nothing', () => {
  const slow = new SlowPath();
  slow.run(200, true);
  const alone = slow.queuedBytes;
  expect(slow.speak()).toBeGreaterThan(1.5);
  slow.run(20, true);
  const [bulkBefore, sinceMs] = [slow.bulkBytes, slow.nowMs];
  for (let turn = 0; turn < 20; turn += 1) expect(slow.speak()).toBeLessThan(1.5);
  const canBeBytes = ((slow.nowMs - sinceMs) / stepMs) * stepBytes;
  expect(slow.bulkBytes - bulkBefore).toBeGreaterThan(canBeBytes * 0.9);
  expect(slow.queuedBytes).toBeLessThan(alone / 2);
});

test('a second after the last word, bulk has the path as before', () => {
  const slow = new SlowPath();
  slow.run(200, true);
  const alone = slow.queuedBytes;
  slow.speak();
  slow.run(900, true);
  expect(slow.queuedBytes).toBeLessThan(alone / 2);
  slow.run(200, true);
  expect(slow.queuedBytes).toBeGreaterThan(alone / 2);
});

test('a request for bulk is no conversation', () => {
  const slow = new SlowPath();
  slow.bulk?.write(new Uint8Array(64));
  slow.run(200, true);
  const other = new SlowPath();
  other.run(200, true);
  expect(slow.queuedBytes).toBeGreaterThan(other.queuedBytes / 2);
});

test('where messages are dear, nothing is acknowledged sooner and bulk keeps what it has', () => {
  const slow = new SlowPath(true);
  slow.run(200, true);
  const alone = slow.queuedBytes;
  slow.speak();
  slow.run(100, true);
  expect(slow.queuedBytes).toBeGreaterThan(alone / 2);
});

test('acknowledgements in a burst do not make the shallow window deep', () => {
  const window = new PathWindow();
  window.sample(0.5);
  let nowMs = 0;
  // 1 MiB comes in 2 ms, then nothing for 18.
  for (let round = 0; round < 16; round += 1) {
    window.acknowledged(1024 * kib, 1024 * kib, 1024 * kib, nowMs);
    nowMs += round % 2 === 0 ? 2 : 18;
  }
  expect(window.bytes).toBeGreaterThan(1024 * kib);
  expect(window.shallowBytes).toBe(128 * kib);
});
