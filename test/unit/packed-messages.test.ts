// Where messages are dear, bulk is packed into buffers that are used again: never while a link still holds them.

import { expect, test } from 'vitest';
import { Outbox, type OutboxLink } from '../../src/link/outbox.ts';
import { Session } from '../../src/protocol/session.ts';
import type { Stream } from '../../src/protocol/stream.ts';
import { pattern } from '../rig/targets.ts';

let nowMs = 0;
const path = { maxMessageBytes: 266_240, inFlightBytes: 4_194_304, messagesAreDear: true };

/** A link as a WebSocket is one: it holds messages by reference until the network has taken them. */
class HoldingLink implements OutboxLink {
  readonly messagesAreDear = true;
  bufferedBytes = 0;
  readonly held: { message: Uint8Array; asSent: Buffer }[] = [];
  readonly buffers: ArrayBufferLike[] = [];

  send(message: Uint8Array): void {
    this.bufferedBytes += message.length;
    this.held.push({ message, asSent: Buffer.from(message) });
    if (message.length > 100_000) this.buffers.push(message.buffer);
  }

  /** The network takes the oldest message; it must be what was sent. */
  take(): Uint8Array | undefined {
    const oldest = this.held.shift();
    if (oldest === undefined) return undefined;
    this.bufferedBytes -= oldest.message.length;
    expect(oldest.asSent.equals(oldest.message)).toBe(true);
    return oldest.asSent;
  }
}

class End {
  readonly outbox = new Outbox();
  readonly session: Session;
  link = new HoldingLink();
  stream: Stream | undefined;
  received = 0;

  constructor(role: 'dialer' | 'agent') {
    this.session = new Session(role, 1n, {
      now: () => nowMs,
      outputReady: () => this.outbox.ready(this.session),
      wakeAt: () => {},
      retired: (bytes) => this.outbox.retire(bytes),
      opened: (stream) => {
        stream.handler = this.handler;
        this.stream = stream;
        stream.accept({ address: '127.0.0.1', port: 1, family: 'IPv4' });
      },
      closed: () => {},
    });
    this.up();
  }

  readonly handler = {
    data: (chunk: Uint8Array) => {
      const from = this.received % pattern.length;
      expect(pattern.subarray(from, from + chunk.length).equals(chunk)).toBe(true);
      this.received += chunk.length;
      this.stream?.consumed(chunk.length);
    },
    end() {},
    writable() {},
    closed() {},
  };

  up(): void {
    this.session.linkDown();
    this.link = new HoldingLink();
    this.outbox.use(this.link);
    this.session.linkUp(path);
  }
}

/** One message each way, as the network takes them. Answers whether there was one. */
function turn(from: End, to: End): boolean {
  from.outbox.flush();
  const message = from.link.take();
  if (message !== undefined) to.session.receive(message);
  return message !== undefined;
}

function carryAll(dialer: End, agent: End): void {
  for (let idleTurns = 0; idleTurns < 50; idleTurns += 1) {
    // Acknowledgements are due by the clock.
    nowMs += 1;
    for (const end of [dialer, agent]) end.session.advance();
    if (turn(dialer, agent)) idleTurns = 0;
    if (turn(agent, dialer)) idleTurns = 0;
  }
}

test('a buffer is used again, but never while a link holds what is in it', () => {
  const [dialer, agent] = [new End('dialer'), new End('agent')];
  dialer.stream = dialer.session.open({ host: 'target', port: 1 }, dialer.handler);
  carryAll(dialer, agent);
  const total = 16 * pattern.length;
  const piece = pattern.length / 8;
  let mostHeld = 0;
  for (let at = 0; at < total; at += piece) {
    const from = at % pattern.length;
    dialer.stream.write(pattern.subarray(from, from + piece));
    // The network takes nothing until there are two messages.
    dialer.outbox.flush();
    mostHeld = Math.max(mostHeld, dialer.link.held.length);
    if (at % (2 * piece) !== 0) carryAll(dialer, agent);
  }
  expect(mostHeld).toBeGreaterThan(1);
  expect(agent.received).toBe(total);
  const { buffers } = dialer.link;
  expect(buffers.length).toBeGreaterThan(20);
  expect(new Set(buffers).size).toBeLessThan(buffers.length / 2);
});

test('what a lost link still holds is not written over by what goes over the next one', () => {
  const [dialer, agent] = [new End('dialer'), new End('agent')];
  dialer.stream = dialer.session.open({ host: 'target', port: 1 }, dialer.handler);
  carryAll(dialer, agent);
  dialer.stream.write(pattern);
  // The first link has large messages that the network did not take.
  dialer.outbox.flush();
  const lost = dialer.link;
  expect(lost.held.some(({ message }) => message.length > 100_000)).toBe(true);
  dialer.up();
  agent.up();
  carryAll(dialer, agent);
  for (let mib = 1; mib < 4; mib += 1) {
    dialer.stream.write(pattern);
    carryAll(dialer, agent);
  }
  expect(agent.received).toBe(4 * pattern.length);
  while (lost.take() !== undefined);
});
