// Hostile bytes at the relay: they end the link that sent them, with a code, and nothing else.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeControl } from '../../src/protocol/control.ts';
import { closeCodes } from '../../src/protocol/errors.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { type FakeLink, RelayUnderTest } from './broker-fake-link.ts';

function pair() {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(1n, agent);
  const bystander = relay.acceptedDialer(2n, agent);
  return { relay, agent, dialer, bystander };
}

function control(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array([...new Uint8Array(8), ...parts.flatMap((part) => [...part])]);
}

/** A frame header on session 0, whatever it says. */
function header(type: number, payloadBytes: number): Uint8Array {
  return new Uint8Array([type, 0, payloadBytes >> 8, payloadBytes & 0xff, ...new Uint8Array(12)]);
}

const malformed: readonly [string, Uint8Array][] = [
  ['an empty message', new Uint8Array(0)],
  ['an envelope cut short', new Uint8Array(7)],
  ['a control message without a frame', control()],
  ['a control header cut short', control(new Uint8Array(15))],
  ['a control payload cut short', control(header(frameTypes.PING, 4), new Uint8Array(3))],
  ['HELLO from a peer', encodeControl(frameTypes.HELLO)],
  ['UNREACHABLE from a peer', encodeControl(frameTypes.UNREACHABLE, 1n)],
  ['BUDGET from a peer', encodeControl(frameTypes.BUDGET, 1n)],
  ['a stream frame on session 0', encodeControl(frameTypes.DATA, 0n)],
];

test.each(malformed)('%s ends the link that sent it, and no other', (_name, bytes) => {
  for (const who of ['agent', 'dialer'] as const) {
    const peers = pair();
    peers.relay.receive(peers[who], bytes);
    expect(peers[who].closeCode).toBe(closeCodes.protocol);
    const others: FakeLink[] = [peers.agent, peers.dialer, peers.bystander].filter(
      (link) => link !== peers[who],
    );
    for (const other of others) expect(other.closeCode).toBeUndefined();
    expect(peers.relay.counters.closed[closeCodes.protocol]).toBe(1);
  }
});

test('a text message ends its link with 1003', () => {
  const { relay, dialer, agent } = pair();
  relay.receiveText(dialer);
  expect(dialer.closeCode).toBe(closeCodes.unsupported);
  expect(agent.closeCode).toBeUndefined();
});

test.each([
  ['ATTACH', frameTypes.ATTACH],
  ['DETACH', frameTypes.DETACH],
])('a dialer cannot answer for the agent with %s', (_name, type) => {
  const { dialer, bystander } = pair();
  dialer.says(type, 2n);
  expect(dialer.closeCode).toBe(closeCodes.protocol);
  expect(bystander.closeCode).toBeUndefined();
});

test.each([
  ['no payload', undefined],
  ['another shape', { code: 1 }],
  ['a reason too long', { code: 'ERR_PRINCIPAL', reason: 'x'.repeat(257) }],
])('a DETACH with %s ends the agent link, and the dialer may wait for its return', (_name, body) => {
  const { agent, dialer } = pair();
  agent.says(frameTypes.DETACH, 1n, body);
  expect(agent.closeCode).toBe(closeCodes.protocol);
  expect(dialer.closeCode).toBeUndefined();
  expect(dialer.heard()).toEqual(['UNREACHABLE 0000000000000001']);
});

test('unknown control frames are skipped, and what follows them counts', () => {
  const { relay, agent } = pair();
  const ping = encodeControl(frameTypes.PING, 9n).subarray(8);
  relay.receive(agent, control(header(200, 2), new Uint8Array(2), ping));
  expect(agent.heard()).toEqual(['PONG 0000000000000009']);
});

test('arbitrary bytes from either side never throw, and never reach a session that is not the sender’s', () => {
  // Half of them look like messages: an envelope that means something, then anything.
  const ids = fc.constantFrom(0, 1, 2, 3);
  const shaped = fc
    .tuple(ids, fc.uint8Array({ maxLength: 80 }))
    .map(([id, rest]) => new Uint8Array([0, 0, 0, 0, 0, 0, 0, id, ...rest]));
  const framed = fc
    .tuple(fc.nat({ max: 40 }), fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 40 }))
    .map(([type, session, body]) => {
      const bytes = control(header(type, body.length), body);
      bytes[23] = session;
      return bytes;
    });
  const step = fc.record({
    from: fc.constantFrom('agent' as const, 'dialer' as const),
    bytes: fc.oneof(fc.uint8Array({ maxLength: 64 }), shaped, framed),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const peers = pair();
      for (const { from, bytes } of steps) peers.relay.receive(peers[from], bytes);
      for (const sent of peers.agent.messages) expect(sent[7]).not.toBe(2);
      const known = [undefined, closeCodes.protocol, closeCodes.forbidden];
      for (const link of [peers.agent, peers.dialer]) expect(known).toContain(link.closeCode);
      expect([...peers.relay.switchboard.links()].every((link) => link.tag.state !== 'closed')).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
