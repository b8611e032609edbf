// How long links are held back, as the broker counts it, on a clock of the test's own.

import { expect, test } from 'vitest';
import { AgentMetrics } from '../../src/agent/index.ts';
import { Stopwatch } from '../../src/metrics/stopwatch.ts';
import { samplesOf } from '../rig/prometheus.ts';
import { RelayUnderTest } from './broker-fake-link.ts';

function relayOn(clock: { ms: number }): RelayUnderTest {
  return new RelayUnderTest({ highWaterBytes: 1000, lowWaterBytes: 100, now: () => clock.ms });
}

test('time is counted while an agent’s link is full, for it and for each dialer that waits, and not after', () => {
  const clock = { ms: 5000 };
  const relay = relayOn(clock);
  const agent = relay.agent();
  const dialers = [1n, 2n].map((session) => relay.acceptedDialer(session, agent));
  agent.queuedBytes = 2000;
  dialers[0]?.sends(1n);
  clock.ms += 1000;
  dialers[1]?.sends(2n);
  clock.ms += 2000;
  const { full, paused } = relay.backPressure;
  expect([full.seconds, full.running]).toEqual([3, 1]);
  expect([paused.seconds, paused.running]).toEqual([5, 2]);
  agent.queuedBytes = 50;
  relay.drained(agent);
  clock.ms += 60_000;
  expect([full.seconds, full.running, paused.seconds, paused.running]).toEqual([3, 0, 5, 0]);
});

test('a link that ends while it is held back ends its time', () => {
  const clock = { ms: 0 };
  const relay = relayOn(clock);
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(1n, agent);
  agent.queuedBytes = 2000;
  dialer.sends(1n);
  clock.ms += 1000;
  dialer.vanishes();
  clock.ms += 1000;
  agent.vanishes();
  clock.ms += 60_000;
  const { full, paused } = relay.backPressure;
  expect([full.seconds, full.running, paused.seconds, paused.running]).toEqual([2, 0, 1, 0]);
});

test('what is handed on is counted by whom it is for; what is dropped is not', () => {
  const relay = relayOn({ ms: 0 });
  const agent = relay.agent();
  const dialer = relay.acceptedDialer(1n, agent);
  const toAgent = dialer.sends(1n, 'a request').length;
  const toDialer = agent.sends(1n, 'and its answer').length;
  agent.sends(2n, 'for nobody');
  expect(relay.counters).toMatchObject({
    messagesToAgents: 1,
    bytesToAgents: toAgent,
    messagesToDialers: 1,
    bytesToDialers: toDialer,
    messagesFromAgents: 2,
  });
});

test('a stopwatch that is started twice or stopped twice counts once', () => {
  let ms = 0;
  const watch = new Stopwatch<string>(() => ms);
  watch.start('a');
  ms = 1000;
  watch.start('a');
  ms = 2000;
  watch.stop('a');
  watch.stop('a');
  ms = 9000;
  expect(watch.seconds).toBe(2);
});

test('what a session resent still counts when it is over, and once', async () => {
  const meter = new AgentMetrics('1');
  const session = { counters: { resyncs: 0, gaps: 0, duplicates: 0, resentBytes: 7 } };
  const resent = async () => samplesOf(await meter.metrics.render()).get('fairlead_resent_bytes_total');
  meter.sessionBegan(session);
  expect(await resent()).toBe(7);
  meter.sessionEnded('ERR_ABORTED', session);
  meter.sessionEnded('ERR_ABORTED', session);
  expect(await resent()).toBe(7);
});
