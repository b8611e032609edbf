// What Prometheus is told: the format, names and units by its conventions, and by whom it may be asked.

import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { AgentMetrics } from '../../src/agent/index.ts';
import { newCounters } from '../../src/broker/counters.ts';
import { mintToken } from '../../src/broker/index.ts';
import { samplesOf } from '../rig/prometheus.ts';
import { secret, start } from './started-broker.ts';

function get(
  { address, port }: AddressInfo,
  headers: Record<string, string> = {},
  { method = 'GET', path = '/metrics' } = {},
): Promise<{ status: number; text: string; type: string }> {
  return new Promise((resolve, reject) => {
    request({ host: address, port, path, headers, method }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode ?? 0, text, type: response.headers['content-type'] ?? '' });
    })
      .on('error', reject)
      .end();
  });
}

test('a broker tells whoever asks from loopback, and what it tells is well-formed', async () => {
  const broker = await start();
  const { status, text, type } = await get(broker.address);
  expect(status).toBe(200);
  expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = samplesOf(text);
  expect(samples.get('fairlead_links{kind="agent"}')).toBe(0);
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  expect([...samples.keys()].some((name) => name.startsWith('nodejs_eventloop_lag'))).toBe(true);
});

test('every count of the relay is there, under its own label and no other', async () => {
  const broker = await start();
  const labels = (prefix: string, text: string) =>
    [...samplesOf(text).keys()]
      .filter((name) => name.startsWith(`${prefix}{`))
      .map((name) => /="(.*)"/.exec(name)?.[1])
      .sort();
  const { text } = await get(broker.address);
  const { refused, dropped, closed } = newCounters();
  expect(labels('fairlead_refusals_total', text)).toEqual(Object.keys(refused).sort());
  expect(labels('fairlead_dropped_messages_total', text)).toEqual(Object.keys(dropped).sort());
  expect(labels('fairlead_links_closed_total', text)).toEqual(Object.keys(closed).sort());
  expect(labels('fairlead_connections_refused_total', text)).toEqual(
    Object.keys(broker.intake.refused).sort(),
  );
});

test('links, nodes and refusals are counted as they come and go', async () => {
  const broker = await start();
  const authorization = `Bearer ${await mintToken({ secret, agent: 'edge-1' })}`;
  const webSocket = new WebSocket(`${broker.url}/v1/agent?node=edge-1&instance=a`, ['fairlead.v1'], {
    headers: { authorization },
  });
  await once(webSocket, 'open');
  const refused = new WebSocket(`${broker.url}/v1/agent?node=edge-1&instance=a`, ['fairlead.v1']);
  await once(refused, 'error');
  const during = samplesOf((await get(broker.address)).text);
  expect(during.get('fairlead_links{kind="agent"}')).toBe(1);
  expect(during.get('fairlead_nodes')).toBe(1);
  expect(during.get('fairlead_refusals_total{reason="unauthorized"}')).toBe(1);
  webSocket.close(1000);
  await once(webSocket, 'close');
  const after = samplesOf((await get(broker.address)).text);
  expect(after.get('fairlead_links{kind="agent"}')).toBe(0);
  expect(after.get('fairlead_links_opened_total')).toBe(1);
  expect(after.get('fairlead_links_closed_total{code="1000"}')).toBe(1);
});

test.each(['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'])(
  'a proxy on this machine is not this machine: with %s there is nothing to see',
  async (header) => {
    const broker = await start();
    const { status, text } = await get(broker.address, { [header]: '192.0.2.1' });
    expect(status).toBe(404);
    expect(text).not.toContain('fairlead_');
  },
);

test('on a listener of its own it is there and nowhere else; "off" is nowhere', async () => {
  const broker = await start({ metrics: { host: '127.0.0.1', port: 0 } });
  const at = broker.metricsAddress as AddressInfo;
  expect((await get(at)).status).toBe(200);
  expect((await get(broker.address)).status).toBe(404);
  expect((await get(at, {}, { path: '/v1/nodes' })).status).toBe(404);
  expect((await get(at, {}, { method: 'POST' })).status).toBe(405);
  expect((await get(at, {}, { method: 'HEAD' })).text).toBe('');
  const none = await start({ metrics: 'off' });
  expect((await get(none.address)).status).toBe(404);
});

test('a metrics address that cannot be had ends the broker before it began, and leaves nothing open', async () => {
  const taken = await start();
  const port = taken.address.port;
  await expect(start({ metrics: { host: '127.0.0.1', port } })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test("an agent's figures: sessions, dials by outcome and time, bytes of live and ended streams, resets", async () => {
  const meter = new AgentMetrics('1.2.3');
  meter.watch({ sessionCount: 3, streamCount: 5, isConnected: true, bufferedBytes: 7, inFlightBytes: 9 });
  const session = { counters: { resyncs: 1, gaps: 2, duplicates: 3, resentBytes: 4 } };
  meter.sessionBegan(session);
  meter.sessionBegan({ counters: { resyncs: 10, gaps: 20, duplicates: 30, resentBytes: 40 } });
  meter.sessionRefused('ERR_PRINCIPAL');
  meter.sessionEnded('ERR_RATE_LIMIT', session);
  meter.sessionResumed(0.2);
  meter.dialled('connected', 0.02);
  meter.dialled('ECONNREFUSED', 0.001);
  meter.streamReset('ECONNRESET');
  const traffic = { bytesRead: 10, bytesWritten: 1 };
  const ended = meter.streaming({ bytesRead: 100, bytesWritten: 20 });
  meter.streaming(traffic);
  ended();
  ended();
  traffic.bytesRead = 15;
  const samples = samplesOf(await meter.metrics.render());
  expect(Object.fromEntries([...samples].filter(([name]) => name.startsWith('fairlead_')))).toMatchObject({
    'fairlead_build_info{version="1.2.3"}': 1,
    fairlead_connected: 1,
    fairlead_sessions: 3,
    fairlead_streams: 5,
    fairlead_in_flight_bytes: 9,
    fairlead_buffered_bytes: 7,
    fairlead_sessions_begun_total: 2,
    fairlead_resyncs_total: 11,
    fairlead_gaps_total: 22,
    fairlead_duplicates_total: 33,
    fairlead_resent_bytes_total: 44,
    'fairlead_resume_seconds_bucket{le="0.1"}': 0,
    'fairlead_resume_seconds_bucket{le="0.25"}': 1,
    fairlead_sessions_resumed_total: 1,
    'fairlead_sessions_refused_total{code="ERR_PRINCIPAL"}': 1,
    'fairlead_sessions_ended_total{code="ERR_RATE_LIMIT"}': 1,
    'fairlead_dials_total{outcome="connected"}': 1,
    'fairlead_dials_total{outcome="ECONNREFUSED"}': 1,
    'fairlead_dial_seconds_bucket{le="0.001"}': 1,
    'fairlead_dial_seconds_bucket{le="0.025"}': 2,
    fairlead_dial_seconds_count: 2,
    'fairlead_stream_resets_total{code="ECONNRESET"}': 1,
    'fairlead_target_bytes_total{direction="from"}': 115,
    'fairlead_target_bytes_total{direction="to"}': 21,
  });
});
