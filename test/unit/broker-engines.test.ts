// What the relay has for engines that are not one process: links in order, a shared budget, memory that is lost,
// other replicas.

import { expect, test } from 'vitest';
import { mostSessions, shareOf } from '../../src/broker/budget.ts';
import type { DialLink } from '../../src/broker/link.ts';
import type { Replicas } from '../../src/broker/replicas.ts';
import { budgetOf, decodeControl, encodeControl } from '../../src/protocol/control.ts';
import { closeCodes } from '../../src/protocol/errors.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { type FakeLink, message, RelayUnderTest } from './broker-fake-link.ts';

const { ATTACH, BUDGET } = frameTypes;
const s1 = 1n;
const mebibyte = 1024 * 1024;

test('the newer of two links wins, in whatever order they come', () => {
  const relay = new RelayUnderTest();
  const newer = relay.agent({ attempt: 2 });
  const late = relay.agent({ attempt: 1 });
  expect([newer.closeCode, late.closeCode]).toEqual([undefined, closeCodes.replaced]);
  const dialer = relay.dialer(s1, { attempt: 5 });
  const lateDialer = relay.dialer(s1, { attempt: 4 });
  expect([dialer.closeCode, lateDialer.closeCode]).toEqual([undefined, closeCodes.replaced]);
  expect(relay.dialer(s1, { attempt: 6 }).closeCode).toBe(undefined);
  expect(dialer.closeCode).toBe(closeCodes.replaced);
});

test('an older link that comes late ends nothing of the newer one', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent({ attempt: 2 });
  const dialer = relay.acceptedDialer(s1, agent);
  relay.agent({ attempt: 1 });
  expect(dialer.heard()).toEqual([]);
  dialer.sends(s1, 'still here');
  expect(agent.heard()).toEqual(['still here']);
});

test('a message over the advertised size ends its link', () => {
  const relay = new RelayUnderTest({ maxMessageBytes: 4096 });
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent);
  relay.receive(dialer, new Uint8Array(4097));
  expect(dialer.closeCode).toBe(closeCodes.tooBig);
  expect(agent.closeCode).toBe(undefined);
});

test.each([
  [1, 32, 4, 4 * mebibyte],
  [4, 32, 4, 4 * mebibyte],
  [5, 32, 4, 2 * mebibyte],
  [256, 32, 4, 65_536],
  [10_000, 32, 4, 65_536],
])('%i sessions of %i MiB, %i at most: %i bytes each', (sessions, total, most, expected) => {
  expect(shareOf(sessions, total * mebibyte, most * mebibyte)).toBe(expected);
});

test('the shares of as many sessions as are taken are never more than the total', () => {
  for (const total of [1, 3, 32, 64].map((mib) => mib * mebibyte))
    for (let sessions = 1; sessions <= mostSessions(total); sessions += 1)
      expect(2 * sessions * shareOf(sessions, total, 4 * mebibyte)).toBeLessThanOrEqual(total);
});

function budgets(link: FakeLink): number[] {
  return link.messages
    .splice(0)
    .flatMap((message) => decodeControl(message))
    .filter(({ type }) => type === BUDGET)
    .map(budgetOf);
}

test('the budget is shared out again as sessions come and go, and everybody is told', () => {
  const relay = new RelayUnderTest({ totalInFlightBytes: 2 * mebibyte, inFlightBytes: mebibyte });
  const agent = relay.agent();
  const first = relay.dialer(1n);
  expect(budgets(agent)).toEqual([]);
  const second = relay.dialer(2n);
  expect([agent, first, second].map(budgets)).toEqual([[524_288], [524_288], [524_288]]);
  relay.closed(second, 1000, '');
  expect([agent, first].map(budgets)).toEqual([[mebibyte], [mebibyte]]);
});

test('a relay that lost its memory goes on from the tags: no word to anybody, and messages pass', () => {
  const before = new RelayUnderTest();
  const old = before.agent({ instance: 'old', since: 1 });
  const agent = before.agent({ since: 2 });
  const dialer = before.acceptedDialer(s1, agent);
  before.dialer(2n);
  const links = [...before.switchboard.links()] as FakeLink[];
  for (const link of links) link.messages.length = 0;
  const after = new RelayUnderTest();
  // The runtime gives them in no order of its own.
  after.restore([...links].reverse());
  expect(links.flatMap((link) => link.heard())).toEqual([]);
  after.receive(dialer, message(s1, 'up'));
  after.receive(agent, message(s1, 'down'));
  expect(agent.heard()).toEqual(['up']);
  expect(dialer.heard()).toEqual(['down']);
  expect(after.switchboard.newestAgent('edge-1')).toBe(agent);
  expect(old.closeCode).toBe(undefined);
});

test('after waking, an answer that the agent owed before is still matched with its question', () => {
  const before = new RelayUnderTest();
  const agent = before.agent();
  const stranger = before.dialer(s1, { principal: 'mallory' });
  before.closed(stranger, 1006, '');
  const after = new RelayUnderTest();
  after.restore([agent]);
  const owner = after.dialer(s1, { principal: 'alice' });
  owner.messages.length = 0;
  // This answers mallory's ATTACH; alice's is yet to come.
  after.receive(agent, encodeControl(ATTACH, s1));
  after.receive(agent, message(s1, 'not yet'));
  expect(owner.heard()).toEqual([]);
  after.receive(agent, encodeControl(ATTACH, s1));
  after.receive(agent, message(s1, 'now'));
  expect(owner.heard().at(-1)).toBe('now');
});

/** Other replicas that do nothing but note what they are asked. */
class NotedReplicas implements Replicas {
  readonly asked: string[] = [];

  agentCame(): void {
    this.asked.push('came');
  }

  agentLeft(): void {
    this.asked.push('left');
  }

  agentDrains(): void {
    this.asked.push('drains');
  }

  seek({ tag }: DialLink): void {
    this.asked.push(`seek ${tag.session}`);
  }

  carry(_: DialLink, message: Uint8Array): void {
    this.asked.push(`carry ${message.length}`);
  }

  letGo({ tag }: DialLink): void {
    this.asked.push(`let go ${tag.session}`);
  }
}

test('a dialer whose agent is elsewhere is carried until its agent comes here', () => {
  const relay = new RelayUnderTest();
  const replicas = new NotedReplicas();
  relay.replicas = replicas;
  const dialer = relay.dialer(s1);
  expect(replicas.asked.splice(0)).toEqual(['seek 0000000000000001']);
  relay.carried(dialer);
  dialer.sends(s1, 'far');
  expect(replicas.asked.splice(0)).toEqual([`carry ${message(s1, 'far').length}`]);
  const agent = relay.agent();
  expect(replicas.asked.splice(0)).toEqual(['came', 'let go 0000000000000001']);
  agent.says(ATTACH, s1);
  dialer.sends(s1, 'near');
  expect(agent.heard().at(-1)).toBe('near');
  expect(replicas.asked).toEqual([]);
});

test('a carried link that ends is let go; one that nobody serves any more is told', () => {
  const relay = new RelayUnderTest();
  const replicas = new NotedReplicas();
  relay.replicas = replicas;
  const dialer = relay.dialer(s1);
  relay.carried(dialer);
  relay.stranded(dialer);
  expect(dialer.heard()).toEqual(['UNREACHABLE 0000000000000001']);
  relay.carried(dialer);
  relay.closed(dialer, 1006, '');
  expect(replicas.asked.at(-1)).toBe('let go 0000000000000001');
});

test('an instance that another replica has on a newer link is given up, an older claim is not believed', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent({ attempt: 3 });
  expect(relay.superseded('edge-1', 'first', 2)).toBe(true);
  expect(agent.closeCode).toBe(undefined);
  expect(relay.superseded('edge-1', 'first', 4)).toBe(false);
  expect(agent.closeCode).toBe(closeCodes.replaced);
});
