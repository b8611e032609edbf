// The relay's rules: who hears what, and what never reaches whom.

import { expect, test } from 'vitest';
import { listNodes } from '../../src/broker/directory.ts';
import { helloSchema, parsePayload } from '../../src/protocol/control.ts';
import { closeCodes } from '../../src/protocol/errors.ts';
import { frameTypes, headroomBytes } from '../../src/protocol/frame.ts';
import { RelayUnderTest } from './broker-fake-link.ts';

const { ATTACH, DETACH, GOAWAY, PING } = frameTypes;
const s1 = 0x0123_4567_89ab_cdefn;
const s2 = 0xfedc_ba98_7654_3210n;
const name1 = '0123456789abcdef';
const name2 = 'fedcba9876543210';

test('a dialer is announced to the agent and told once the agent has taken it', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.dialer(s1, { principal: 'alice', targets: ['127.0.0.1:22'] });
  expect(agent.heard()).toEqual([
    `ATTACH ${name1} {"principal":"alice","grants":{"targets":["127.0.0.1:22"]}}`,
  ]);
  expect(dialer.heard()).toEqual([]);
  agent.says(ATTACH, s1);
  expect(dialer.heard()).toEqual([`ATTACH ${name1} {"instance":"first"}`]);
});

test('HELLO tells the limits', () => {
  const relay = new RelayUnderTest({ version: '1.2.3' });
  const agent = relay.agent();
  relay.open(agent);
  const hello = parsePayload(helloSchema, (agent.messages[0] as Uint8Array).subarray(headroomBytes));
  expect(hello).toEqual({ version: '1.2.3', maxMessageBytes: 266_240, inFlightBytes: 16_777_216 });
});

test('messages are forwarded both ways as the very buffers that came', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent);
  const up = dialer.sends(s1, 'up');
  const down = agent.sends(s1, 'down');
  expect(agent.messages[0]).toBe(up);
  expect(dialer.messages[0]).toBe(down);
  expect(relay.counters).toMatchObject({
    messagesFromDialers: 1,
    bytesFromDialers: up.length,
    messagesFromAgents: 1,
    bytesFromAgents: down.length,
  });
});

test('each session hears only its own messages', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const first = relay.acceptedDialer(s1, agent);
  const second = relay.acceptedDialer(s2, agent);
  agent.sends(s2, 'for the second');
  agent.sends(s1, 'for the first');
  expect(first.heard()).toEqual(['for the first']);
  expect(second.heard()).toEqual(['for the second']);
});

test('session ids that share a half are different sessions', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const ids = [
    0x0000_0001_0000_0001n,
    0x0000_0001_8000_0001n,
    0x8000_0001_0000_0001n,
    0xffff_ffff_ffff_ffffn,
  ];
  const dialers = ids.map((id) => relay.acceptedDialer(id, agent));
  for (const id of ids) agent.sends(id, id.toString(16));
  expect(dialers.map((dialer) => dialer.heard())).toEqual(ids.map((id) => [id.toString(16)]));
  dialers[0]?.vanishes();
  agent.sends(0x0000_0001_8000_0001n, 'still there');
  expect(dialers[1]?.heard()).toEqual(['still there']);
});

test("a message with another session's id ends the dialer's link and reaches nobody", () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const victim = relay.acceptedDialer(s1, agent);
  const attacker = relay.acceptedDialer(s2, agent, { principal: 'mallory' });
  attacker.sends(s1);
  expect(attacker.closeCode).toBe(closeCodes.protocol);
  expect(agent.heard()).toEqual([`DETACH ${name2}`]);
  expect(victim.closeCode).toBeUndefined();
  expect(relay.counters.closed[closeCodes.protocol]).toBe(1);
});

test('nothing from the agent passes before it has accepted the session, while the dialer may already send', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.dialer(s1);
  agent.heard();
  agent.sends(s1, 'meant for the owner');
  dialer.sends(s1, 'early');
  expect(dialer.heard()).toEqual([]);
  // No UNREACHABLE either: it would arrive after the ATTACH that it contradicts.
  expect(agent.heard()).toEqual(['early']);
  expect(relay.counters.dropped['not-accepted']).toBe(1);
});

test('a refusal by the agent closes the dialer with its code and reason', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.dialer(s1);
  agent.heard();
  agent.says(DETACH, s1, { code: 'ERR_PRINCIPAL', reason: 'it is not yours' });
  expect([dialer.closeCode, dialer.closeReason]).toEqual([
    closeCodes.forbidden,
    'ERR_PRINCIPAL: it is not yours',
  ]);
  expect(agent.heard()).toEqual([]);
  expect(relay.counters.refused['refused-by-agent']).toBe(1);
});

test('an agent that has accepted may still end the session', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent);
  agent.says(DETACH, s1, { code: 'ERR_SESSION_LOST', reason: 'gone' });
  expect(dialer.closeCode).toBe(closeCodes.forbidden);
});

test('a dialer that leaves is announced', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent);
  dialer.vanishes();
  dialer.vanishes();
  expect(agent.heard()).toEqual([`DETACH ${name1}`]);
  expect(relay.counters.closed[1006]).toBe(1);
});

test('the newest link of a session replaces the old one without a word of leaving', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const old = relay.acceptedDialer(s1, agent);
  const fresh = relay.dialer(s1);
  expect(old.closeCode).toBe(closeCodes.replaced);
  expect(agent.heard()).toEqual([`ATTACH ${name1} {"principal":"alice","grants":{}}`]);
  old.vanishes();
  agent.says(ATTACH, s1);
  agent.sends(s1, 'on');
  expect(fresh.heard()).toEqual([`ATTACH ${name1} {"instance":"first"}`, 'on']);
  expect(agent.heard()).toEqual([]);
});

test('a link that was replaced is not listened to', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const old = relay.acceptedDialer(s1, agent);
  relay.acceptedDialer(s1, agent);
  old.sends(s1, 'late');
  expect(agent.heard()).toEqual([]);
});

test('another principal cannot take a session whose owner is connected', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const owner = relay.acceptedDialer(s1, agent, { principal: 'alice' });
  const thief = relay.dialer(s1, { principal: 'mallory' });
  expect(thief.closeCode).toBe(closeCodes.forbidden);
  expect(owner.closeCode).toBeUndefined();
  expect(agent.heard()).toEqual([]);
  agent.sends(s1, 'secret');
  expect(owner.heard()).toEqual(['secret']);
  expect(thief.heard()).toEqual([]);
  expect(relay.counters.refused['session-taken']).toBe(1);
});

test('a session cannot be taken to another node while its owner is connected', () => {
  const relay = new RelayUnderTest();
  const owner = relay.acceptedDialer(s1, relay.agent({ node: 'edge-1' }), { node: 'edge-1' });
  relay.agent({ node: 'edge-2' });
  expect(relay.dialer(s1, { node: 'edge-2' }).closeCode).toBe(closeCodes.forbidden);
  expect(owner.closeCode).toBeUndefined();
});

test("an answer about a link that has left does not let a stranger pass as the session's owner", () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  relay.dialer(s1, { principal: 'alice' }).vanishes();
  const thief = relay.dialer(s1, { principal: 'mallory' });
  agent.says(ATTACH, s1);
  agent.sends(s1, 'for alice');
  expect(thief.heard()).toEqual([]);
  agent.says(DETACH, s1, { code: 'ERR_PRINCIPAL', reason: 'not yours' });
  expect(thief.closeCode).toBe(closeCodes.forbidden);
  expect(relay.counters.dropped['stale-answer']).toBe(1);
});

test('a refusal of a stranger who has left does not close the owner', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  relay.dialer(s1, { principal: 'mallory' }).vanishes();
  const owner = relay.dialer(s1, { principal: 'alice' });
  agent.says(DETACH, s1, { code: 'ERR_PRINCIPAL', reason: 'not yours' });
  expect(owner.closeCode).toBeUndefined();
  agent.says(ATTACH, s1);
  expect(owner.heard()).toEqual([`ATTACH ${name1} {"instance":"first"}`]);
  expect(agent.tag.unanswered.size).toBe(0);
});

test('an agent that answers nothing gets no further sessions after a limit', () => {
  const relay = new RelayUnderTest({ maxUnanswered: 2 });
  const agent = relay.agent();
  for (const id of [1n, 2n]) relay.dialer(id).vanishes();
  expect(relay.dialer(3n).closeCode).toBe(closeCodes.limit);
  expect(agent.closeCode).toBeUndefined();
  agent.says(ATTACH, 1n);
  expect(relay.dialer(4n).closeCode).toBeUndefined();
});

test('a node takes sessions up to its limit', () => {
  const relay = new RelayUnderTest({ maxSessionsPerNode: 1 });
  relay.agent();
  const kept = relay.dialer(s1);
  expect(relay.dialer(s2).closeCode).toBe(closeCodes.limit);
  expect(kept.closeCode).toBeUndefined();
  expect(relay.dialer(s1).closeCode).toBeUndefined();
  expect(relay.counters.refused['session-limit']).toBe(1);
});

test('a dialer whose agent is away is told at once, and again for each message', () => {
  const relay = new RelayUnderTest();
  const dialer = relay.dialer(s1);
  expect(dialer.heard()).toEqual([`UNREACHABLE ${name1}`]);
  dialer.sends(s1);
  expect(dialer.heard()).toEqual([`UNREACHABLE ${name1}`]);
  expect(relay.counters.dropped['agent-away']).toBe(1);
});

test('a dialer that does not read is not told without end', () => {
  const relay = new RelayUnderTest();
  const dialer = relay.dialer(s1);
  dialer.heard();
  dialer.queuedBytes = 2 * 1024 * 1024;
  dialer.sends(s1);
  dialer.says(PING, 1n);
  expect(dialer.heard()).toEqual([]);
});

test('an agent that sends for a session whose dialer is away is told', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  agent.sends(s1);
  expect(agent.heard()).toEqual([`UNREACHABLE ${name1}`]);
  expect(relay.counters.dropped['dialer-away']).toBe(1);
  expect(agent.closeCode).toBeUndefined();
});

test('an agent cannot reach a session of another node or instance', () => {
  const relay = new RelayUnderTest();
  const dialer = relay.acceptedDialer(s1, relay.agent({ instance: 'first' }));
  for (const choice of [{ instance: 'second' }, { node: 'edge-2', instance: 'first' }]) {
    const other = relay.agent(choice);
    other.sends(s1, 'forged');
    other.says(ATTACH, s1);
    other.says(DETACH, s1, { code: 'ERR_PRINCIPAL', reason: 'forged' });
    expect(other.heard()).toEqual([`UNREACHABLE ${name1}`]);
    expect(other.closeCode).toBeUndefined();
  }
  expect(dialer.heard()).toEqual([]);
  expect(dialer.closeCode).toBeUndefined();
  expect(relay.counters.dropped['not-this-agents-session']).toBe(6);
});

test('an agent cannot accept a session that it was not offered', () => {
  const relay = new RelayUnderTest();
  const dialer = relay.dialer(s1, { instance: 'second' });
  relay.agent({ instance: 'first' }).says(ATTACH, s1);
  expect(dialer.heard()).toEqual([`UNREACHABLE ${name1}`]);
  expect(dialer.tag.state).toBe('waiting');
});

test('when the agent goes its dialers are told, and when it comes back it hears of each again', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent);
  agent.vanishes();
  expect(dialer.heard()).toEqual([`UNREACHABLE ${name1}`]);
  const returned = relay.agent();
  expect(returned.heard()).toEqual([`ATTACH ${name1} {"principal":"alice","grants":{}}`]);
  returned.sends(s1, 'too early');
  expect(dialer.heard()).toEqual([]);
  returned.says(ATTACH, s1);
  returned.sends(s1, 'on');
  expect(dialer.heard()).toEqual([`ATTACH ${name1} {"instance":"first"}`, 'on']);
});

test("the same instance coming back replaces its own old link at once, and its dialers don't wait", () => {
  const relay = new RelayUnderTest();
  const old = relay.agent();
  const dialer = relay.acceptedDialer(s1, old);
  const fresh = relay.agent();
  expect(old.closeCode).toBe(closeCodes.replaced);
  old.vanishes();
  old.sends(s1, 'from the dead link');
  expect(dialer.heard()).toEqual([]);
  expect(fresh.heard()).toEqual([`ATTACH ${name1} {"principal":"alice","grants":{}}`]);
  dialer.sends(s1, 'on');
  expect(fresh.heard()).toEqual(['on']);
});

test('a dialer that came before any agent is bound to the first that comes', () => {
  const relay = new RelayUnderTest();
  const dialer = relay.dialer(s1);
  const first = relay.agent({ instance: 'first' });
  const second = relay.agent({ instance: 'second' });
  first.says(ATTACH, s1);
  expect(dialer.tag.instance).toBe('first');
  expect(second.heard()).toEqual([]);
});

test('of two instances the newest gets new sessions, and each session stays with its own', () => {
  const relay = new RelayUnderTest();
  const first = relay.agent({ instance: 'first' });
  const early = relay.acceptedDialer(s1, first);
  const second = relay.agent({ instance: 'second' });
  const late = relay.acceptedDialer(s2, second);
  early.sends(s1, 'to the first');
  late.sends(s2, 'to the second');
  expect(first.heard()).toEqual(['to the first']);
  expect(second.heard()).toEqual(['to the second']);
  first.vanishes();
  expect(early.heard()).toEqual([`UNREACHABLE ${name1}`]);
  expect(second.heard()).toEqual([]);
});

test('a session that names its instance goes there, even while that one drains', () => {
  const relay = new RelayUnderTest();
  const first = relay.agent({ instance: 'first' });
  const second = relay.agent({ instance: 'second' });
  first.says(GOAWAY, 0n, { code: 'ERR_DRAINING', reason: 'going' });
  relay.dialer(s1, { instance: 'first' });
  expect(first.heard()).toEqual([`ATTACH ${name1} {"principal":"alice","grants":{}}`]);
  expect(second.heard()).toEqual([]);
});

test('a session that comes back on a new link without naming its instance stays with it', () => {
  const relay = new RelayUnderTest();
  const first = relay.agent({ instance: 'first' });
  relay.acceptedDialer(s1, first);
  relay.agent({ instance: 'second' });
  expect(relay.dialer(s1).tag.instance).toBe('first');
});

test('a draining agent keeps its sessions and gets no new one', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const before = relay.acceptedDialer(s1, agent);
  agent.says(GOAWAY, 0n, { code: 'ERR_DRAINING', reason: 'going' });
  const after = relay.dialer(s2);
  expect(after.heard()).toEqual([`UNREACHABLE ${name2}`]);
  agent.sends(s1, 'goes on');
  expect(before.heard()).toEqual(['goes on']);
  const successor = relay.agent({ instance: 'second' });
  expect(successor.heard()).toEqual([`ATTACH ${name2} {"principal":"alice","grants":{}}`]);
});

test('a session that moves to another instance is taken from the old one', () => {
  const relay = new RelayUnderTest();
  const first = relay.agent({ instance: 'first' });
  relay.acceptedDialer(s1, first);
  const second = relay.agent({ instance: 'second' });
  relay.dialer(s1, { instance: 'second' });
  expect(first.heard()).toEqual([`DETACH ${name1}`]);
  expect(second.heard()).toEqual([`ATTACH ${name1} {"principal":"alice","grants":{}}`]);
});

test('a PING on session 0 is answered with the same argument', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent);
  for (const peer of [agent, dialer]) {
    peer.says(PING, 7n);
    expect(peer.heard()).toEqual(['PONG 0000000000000007']);
  }
});

test('GOAWAY reaches every link, and closing the relay ends each once', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent);
  relay.goAway({ code: 'ERR_DRAINING', reason: 'moving' });
  for (const peer of [agent, dialer])
    expect(peer.heard()).toEqual(['GOAWAY {"code":"ERR_DRAINING","reason":"moving"}']);
  relay.closeAll(closeCodes.shutdown, 'bye');
  expect([agent.closeCode, dialer.closeCode]).toEqual([1001, 1001]);
  expect([...relay.switchboard.links()]).toEqual([]);
});

test('a link whose token has ended is closed, and no other', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent({ expiresAt: 2000 });
  const brief = relay.dialer(s1, { expiresAt: 1000 });
  relay.expire(999);
  expect(brief.closeCode).toBeUndefined();
  relay.expire(1000);
  expect(brief.closeCode).toBe(closeCodes.unauthorized);
  expect(agent.closeCode).toBeUndefined();
});

test('all that the relay knows of a link survives in its tag', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(s1, agent, { targets: ['*:443'] });
  expect(dialer.saved).toEqual(dialer.tag);
  agent.says(GOAWAY, 0n, { code: 'ERR_DRAINING', reason: 'going' });
  relay.dialer(s2, { instance: 'first' }).vanishes();
  expect(agent.saved).toEqual(agent.tag);
  expect(agent.tag).toMatchObject({ state: 'draining', unanswered: new Map([[name2, 1]]) });
});

test('nothing is kept of links that are gone', () => {
  const relay = new RelayUnderTest();
  const agent = relay.agent();
  const dialers = Array.from({ length: 50 }, (_, i) => relay.acceptedDialer(BigInt(i + 1), agent));
  for (const dialer of dialers) dialer.vanishes();
  expect(relay.switchboard.dialerCount('edge-1')).toBe(0);
  agent.vanishes();
  expect([...relay.switchboard.links()]).toEqual([]);
  expect(agent.tag.unanswered.size).toBe(0);
});

test('the directory shows the nodes that may be seen, with their instances and sessions', () => {
  const relay = new RelayUnderTest();
  const first = relay.agent({ instance: 'first', since: 0 });
  relay.acceptedDialer(s1, first);
  relay.agent({ instance: 'second', since: 1000 });
  relay.agent({ node: 'other' });
  first.says(GOAWAY, 0n, { code: 'ERR_DRAINING', reason: 'going' });
  const common = { version: null, draining: false, labels: {}, routes: [], sessions: 0 };
  expect(listNodes(relay.switchboard, { node: 'edge-1' })).toEqual([
    {
      node: 'edge-1',
      instances: [
        { ...common, instance: 'first', since: '1970-01-01T00:00:00.000Z', draining: true, sessions: 1 },
        { ...common, instance: 'second', since: '1970-01-01T00:00:01.000Z' },
      ],
    },
  ]);
});
