// What broker, agent and gateway tell Prometheus while real programs run through them: well-formed by promtool's own
// word, documented in full, and true.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorCodes } from '../../src/protocol/errors.ts';
import { Authority } from '../rig/certificates.ts';
import { connectThrough, exchange, Gateway } from '../rig/gateway.ts';
import { NatsServer } from '../rig/nats.ts';
import { type Figures, figuresOf, lint, samplesOf, textOf, typesOf } from '../rig/prometheus.ts';
import { Replica } from '../rig/replica.ts';
import { Network, Rig } from '../rig/rig.ts';

const rig = new Rig();
let network: Network;
let gateway: Gateway;
let target: Server;
let targetPort = 0;
let ports = { broker: 0, agent: 0, gateway: 0 };

beforeAll(async () => {
  network = await Network.start(rig, '127.0.0.1:*', ['--metrics', '127.0.0.1:0']);
  gateway = await Gateway.start(
    rig,
    network,
    ...['--http-connect', '127.0.0.1:0', '--socks5', '127.0.0.1:0', '--proxy', '127.0.0.1:0'],
    ...['--metrics', '127.0.0.1:0'],
  );
  const [agentPort = 0] = await network.agent.ports();
  ports = { broker: network.port, agent: agentPort, gateway: gateway.port(3) };
  target = createServer((_request, response) => response.end('x'.repeat(5000)));
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  targetPort = (target.address() as { port: number }).port;
}, 30_000);

afterAll(async () => {
  target.closeAllConnections();
  target.close();
  await rig[Symbol.asyncDispose]();
});

/** Waits until the figures of a process are as they should be: what is counted at an end comes after it. */
async function eventually(port: number, isSo: (figures: Figures) => boolean): Promise<Figures> {
  for (;;) {
    const figures = await figuresOf(port).catch(() => new Map<string, number>());
    if (isSo(figures)) return figures;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('dials, bytes and refusals are counted by front, and the time of a dial is split', async () => {
  const { socket, early } = await connectThrough({ port: gateway.port(0) }, `edge-1:${targetPort}`);
  socket.end('GET / HTTP/1.0\r\n\r\n');
  let bytes = early.length;
  for await (const chunk of socket) bytes += chunk.length;
  await exchange({ port: gateway.port(0) }, 'CONNECT edge-1:1 HTTP/1.1\r\n\r\n');
  await exchange({ port: gateway.port(0) }, 'GET / HTTP/1.1\r\n\r\n');
  await exchange({ port: gateway.port(1) }, 'not SOCKS at all');
  const page = await fetch(`http://127.0.0.1:${gateway.port(2)}/proxy/nodes/http:edge-1:${targetPort}/`);
  expect(await page.text()).toHaveLength(5000);

  const figures = await eventually(
    ports.gateway,
    (now) => now.get('fairlead_gateway_target_bytes_total{front="http-connect",direction="from"}') === bytes,
  );
  expect(figures.get('fairlead_gateway_target_bytes_total{front="http-connect",direction="to"}')).toBe(18);
  expect(figures.get('fairlead_gateway_dials_total{front="http-connect",outcome="connected"}')).toBe(1);
  expect(figures.get('fairlead_gateway_dials_total{front="http-connect",outcome="ECONNREFUSED"}')).toBe(1);
  expect(figures.get('fairlead_gateway_dials_total{front="proxy",outcome="connected"}')).toBe(1);
  const refused = 'fairlead_gateway_requests_refused_total';
  expect(figures.get(`${refused}{front="http-connect",code="ECONNREFUSED"}`)).toBe(1);
  expect(figures.get(`${refused}{front="http-connect",code="ERR_CONFIG"}`)).toBe(1);
  expect(figures.get(`${refused}{front="socks5",code="ERR_PROTOCOL"}`)).toBe(1);
  expect(figures.get('fairlead_gateway_connections_total{front="http-connect"}')).toBe(3);
  expect(figures.get('fairlead_gateway_connections{front="http-connect"}')).toBe(0);
  expect(figures.get('fairlead_sessions')).toBe(1);

  const sum = (share: string) => figures.get(`fairlead_gateway_dial_seconds_sum{share="${share}"}`) ?? 0;
  for (const share of ['total', 'broker', 'agent', 'target'])
    expect(figures.get(`fairlead_gateway_dial_seconds_count{share="${share}"}`)).toBe(2);
  expect(sum('target')).toBeGreaterThan(0);
  expect(sum('broker') + sum('agent') + sum('target')).toBeCloseTo(sum('total'), 6);

  const agent = await figuresOf(ports.agent);
  const { exp } = decodeJwt(readFileSync(rig.path('agent.token'), 'utf8').trim());
  expect(agent.get('fairlead_credential_expiry_timestamp_seconds')).toBe(exp);
  expect(agent.get('fairlead_dials_total{outcome="connected"}')).toBe(2);
  expect(agent.get('fairlead_dials_total{outcome="ECONNREFUSED"}')).toBe(1);
  const broker = await figuresOf(ports.broker);
  for (const kind of ['agent', 'dial'])
    expect(broker.get(`fairlead_sent_bytes_total{to="${kind}"}`)).toBe(
      broker.get(`fairlead_received_bytes_total{from="${kind === 'agent' ? 'dial' : 'agent'}"}`),
    );
  expect(broker.get('fairlead_sent_bytes_total{to="dial"}')).toBeGreaterThan(10_000);
});

test('a session that comes back is counted with the time that it was away, at both ends', async () => {
  const { socket } = await connectThrough({ port: gateway.port(0) }, `edge-1:${targetPort}`);
  const resumes = 'fairlead_resume_seconds_count';
  await network.broker.kill();
  await eventually(ports.agent, (now) => now.get('fairlead_connected') === 0);
  await eventually(ports.gateway, (now) => now.get('fairlead_links') === 0);
  await network.startBroker();
  const figures = await eventually(ports.gateway, (now) => now.get(resumes) === 1);
  const agent = await eventually(ports.agent, (now) => now.get(resumes) === 1);
  for (const at of [figures, agent]) {
    expect(at.get('fairlead_resume_seconds_sum')).toBeGreaterThan(0);
    expect(at.get('fairlead_resyncs_total')).toBeGreaterThan(0);
  }
  expect(agent.get('fairlead_sessions_resumed_total')).toBe(1);
  // The very stream of before is there.
  socket.end('GET / HTTP/1.0\r\n\r\n');
  let bytes = 0;
  for await (const chunk of socket) bytes += chunk.length;
  expect(bytes).toBeGreaterThan(5000);
});

test('promtool finds nothing wrong with what each of them tells', async () => {
  for (const port of Object.values(ports)) expect(await lint(rig, await textOf(port))).toEqual([]);
});

const processOf = { Broker: 'broker', Agent: 'agent', Gateway: 'gateway' } as const;

test.each(Object.keys(processOf) as (keyof typeof processOf)[])(
  'the document names each figure of the %s with its labels, and none that is not there',
  async (section) => {
    expectDocumented(section, await textOf(ports[processOf[section]]), /^fairlead_(?!build_info)/);
  },
);

test('so it is for what replicas and TLS add', async () => {
  const nats = await NatsServer.start(rig);
  const ca = await Authority.create(rig, 'ca');
  const { cert, key } = await ca.issue('broker', { san: 'IP:127.0.0.1' });
  const replica = new Replica(rig, nats.url, [
    ...['--tls-cert', cert, '--tls-key', key],
    ...['--metrics', '127.0.0.1:0'],
  ]);
  await replica.start();
  const [, port = 0] = await replica.program.ports();
  const text = await textOf(port);
  expect(await lint(rig, text)).toEqual([]);
  expectDocumented('Replicas', text, /^fairlead_nats_/);
  const figures = samplesOf(text);
  expect(figures.get('fairlead_nats_connected')).toBe(1);
  const endsAt = new Date(new X509Certificate(readFileSync(cert)).validTo).getTime();
  expect(figures.get('fairlead_certificate_expiry_timestamp_seconds')).toBe(endsAt / 1000);
  expect(readFileSync('docs/metrics.md', 'utf8')).toContain('fairlead_certificate_expiry_timestamp_seconds');
});

function expectDocumented(section: string, text: string, names: RegExp): void {
  const told = [...typesOf(text).keys()].filter((name) => names.test(name));
  const documented = tableOf(section);
  expect([...documented.keys()].sort()).toEqual(told.sort());
  for (const [name, labels] of documented) {
    const series = [...samplesOf(text).keys()].find((one) => one.replace(/(_bucket)?\{.*/, '') === name);
    if (series === undefined) continue;
    const said = [...series.matchAll(/([a-z]\w*)="/g)]
      .map(([, label]) => label)
      .filter((label) => label !== 'le');
    expect(said, name).toEqual(labels);
  }
}

/** The labels of each figure of a section's table. */
function tableOf(section: string): Map<string, string[]> {
  const page = readFileSync('docs/metrics.md', 'utf8');
  const [, body = ''] = new RegExp(`^## ${section}\n(.*?)(?=^## |$(?![\\s\\S]))`, 'ms').exec(page) ?? [];
  const rows = [...body.matchAll(/^\| `(fairlead_\w+)` \| (.*?)\|/gm)];
  return new Map(
    rows.map(([, name = '', labels = '']) => [
      name,
      labels.split(';').flatMap((label) => /`(\w+)`/.exec(label)?.[1] ?? []),
    ]),
  );
}

test('hostile names make no new series', async () => {
  const before = [...(await figuresOf(ports.gateway)).keys()];
  const names = [
    '{front="x"}',
    'a"b',
    'Ünïcode',
    `${'n'.repeat(250)}`,
    'edge-1\\',
    'fairlead_x 1',
    'edge-404',
  ];
  for (const name of names) {
    await exchange({ port: gateway.port(0) }, `CONNECT ${name}:1 HTTP/1.1\r\n\r\n`);
    await fetch(`http://127.0.0.1:${gateway.port(2)}/proxy/nodes/http:${encodeURIComponent(name)}:1/`);
    await fetch(
      `http://127.0.0.1:${network.port}/v1/agent?node=${encodeURIComponent(name)}&instance=${name}`,
    );
    await fetch(`http://127.0.0.1:${network.port}/${encodeURIComponent(name)}`, {
      headers: { authorization: `Bearer ${encodeURIComponent(name)}` },
    });
  }
  const allowed = new Set(['connected', 'other', ...errorCodes]);
  const added = [...(await figuresOf(ports.gateway)).keys()].filter(
    (series) => series.startsWith('fairlead_') && !before.includes(series),
  );
  for (const series of added) expect(allowed).toContain(/(?:code|outcome)="([^"]*)"/.exec(series)?.[1]);
  const broker = await textOf(network.port);
  for (const word of names) expect(broker).not.toContain(`"${word}"`);
  expect([...samplesOf(broker).keys()].length).toBeLessThan(200);
});
