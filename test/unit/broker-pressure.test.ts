// Back-pressure at the relay: who waits for whom, who is cut, and that nobody waits for ever.

import { expect, test } from 'vitest';
import { closeCodes } from '../../src/protocol/errors.ts';
import { RelayUnderTest } from './broker-fake-link.ts';

const kib = 1024;
const mib = 1024 * kib;

test('a full agent link pauses only the dialers that write to it, until it has drained below the low water', () => {
  const relay = new RelayUnderTest();
  const full = relay.agent({ node: 'edge-1' });
  const free = relay.agent({ node: 'edge-2' });
  const writer = relay.acceptedDialer(1n, full, { node: 'edge-1' });
  const silent = relay.acceptedDialer(2n, full, { node: 'edge-1' });
  const elsewhere = relay.acceptedDialer(3n, free, { node: 'edge-2' });
  full.queuedBytes = mib + 1;
  writer.sends(1n);
  elsewhere.sends(3n);
  expect([writer.paused, silent.paused, elsewhere.paused]).toEqual([true, false, false]);
  expect(full.heard()).toEqual(['bytes']);
  full.queuedBytes = 256 * kib + 1;
  relay.drained(full);
  expect(writer.paused).toBe(true);
  full.queuedBytes = 256 * kib;
  relay.drained(full);
  expect(writer.paused).toBe(false);
  expect(relay.counters.pauses).toBe(1);
});

test('at the high water itself nobody is paused', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(1n, agent);
  agent.queuedBytes = mib;
  dialer.sends(1n);
  expect(dialer.paused).toBe(false);
});

test('who writes while a link drains waits with the others', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const first = relay.acceptedDialer(1n, agent);
  const second = relay.acceptedDialer(2n, agent);
  agent.queuedBytes = 2 * mib;
  first.sends(1n);
  agent.queuedBytes = 512 * kib;
  second.sends(2n);
  expect(second.paused).toBe(true);
  agent.queuedBytes = 0;
  relay.drained(agent);
  expect([first.paused, second.paused]).toEqual([false, false]);
});

test.each(['vanishes', 'is replaced'])('paused dialers go on when the agent %s', (how) => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(1n, agent);
  agent.queuedBytes = 2 * mib;
  dialer.sends(1n);
  expect(dialer.paused).toBe(true);
  if (how === 'vanishes') agent.vanishes();
  else relay.agent();
  expect(dialer.paused).toBe(false);
});

test('a dialer that does not read is cut, and neither the agent nor another dialer waits for it', () => {
  const relay = new RelayUnderTest({ inFlightBytes: 64 * kib, slowReaderSlackBytes: 16 * kib });
  const agent = relay.agent();
  const slow = relay.acceptedDialer(1n, agent);
  const quick = relay.acceptedDialer(2n, agent);
  slow.isStuck = true;
  const text = 'x'.repeat(8 * kib - 8);
  for (let i = 0; i < 10; i++) agent.sends(1n, text);
  expect(slow.closeCode).toBeUndefined();
  expect(slow.queuedBytes).toBe(80 * kib);
  agent.sends(1n, '');
  expect(slow.closeCode).toBe(closeCodes.slowReader);
  expect(agent.paused).toBe(false);
  expect(agent.heard()).toEqual(['DETACH 0000000000000001']);
  agent.sends(2n, 'on');
  expect(quick.heard()).toEqual(['on']);
  const back = relay.acceptedDialer(1n, agent);
  agent.sends(1n, 'resumed');
  expect(back.heard()).toEqual(['resumed']);
});

test('what is queued for an agent has an end: beyond it messages are dropped', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(1n, agent);
  agent.queuedBytes = 64 * mib + 1;
  dialer.sends(1n, 'the last');
  dialer.sends(1n, 'too much');
  expect(agent.heard()).toEqual(['the last']);
  expect(relay.counters.dropped['agent-overloaded']).toBe(1);
});
