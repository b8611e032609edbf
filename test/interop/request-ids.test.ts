// One dial in the logs of everybody on its way, by real processes: one request id, one session, one trace; the level
// while it runs; and spans at a collector whose parents are right.

import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Gateway } from '../rig/gateway.ts';
import { Network, type Program, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

interface Line {
  readonly event?: string;
  readonly [field: string]: unknown;
}

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { key: string; value: { stringValue?: string } }[];
}

const linesOf = ({ log }: Program, request: string): Line[] =>
  log
    .split('\n')
    .filter((line) => line.includes(request))
    .map((line) => JSON.parse(line) as Line);

/** A collector that keeps what it is sent. */
async function collector(rig: Rig): Promise<{ url: string; spans: Span[]; bodies: string[] }> {
  const spans: Span[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      bodies.push(body);
      const { resourceSpans } = JSON.parse(body) as {
        resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
      };
      spans.push(...resourceSpans.flatMap((it) => it.scopeSpans.flatMap((scope) => scope.spans)));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, spans, bodies };
}

test('a request id and a trace go from the client of a gateway to the agent, in each log and each span', async () => {
  await using rig = new Rig();
  const { url, spans, bodies } = await collector(rig);
  const target = await listen(rig, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nhi')),
  );
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
  rig.defer(() => delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT);
  const network = await Network.start(rig, `127.0.0.1:${target}`, ['--log-level', 'debug']);
  const gateway = await Gateway.start(rig, network, '--http-connect', '127.0.0.1:0', '--log-level', 'debug');
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const caller = '00f067aa0ba902b7';
  const curl = await rig.run('curl', [
    ...['-sS', '--max-time', '10', '--proxytunnel', '-x', `http://127.0.0.1:${gateway.port()}`],
    ...[
      '--proxy-header',
      'X-Request-Id: from-curl_1',
      '--proxy-header',
      `traceparent: 00-${traceId}-${caller}-01`,
    ],
    ...['-H', 'Authorization: Bearer marker-of-a-token', `http://edge-1:${target}/marker-of-a-path`],
  ]);
  expect([curl.stdout.toString(), curl.stderr]).toEqual(['hi', '']);
  const agent = network.agent;
  await agent.said(/stream-closed/);
  const [dialled] = linesOf(gateway.program, 'from-curl_1').filter(({ event }) => event === 'dialled');
  expect(dialled).toMatchObject({ trace: traceId, session: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect(linesOf(agent, 'from-curl_1')[0]).toMatchObject({
    event: 'stream-open',
    session: dialled?.session,
    trace: traceId,
  });
  expect(linesOf(network.broker, 'from-curl_1')[0]).toMatchObject({
    event: 'link-open',
    session: dialled?.session,
  });

  await gateway.program.kill('SIGTERM');
  await agent.kill('SIGTERM');
  const [near, far] = ['gateway dial', 'agent dial'].map((name) => spans.find((span) => span.name === name));
  expect(near).toMatchObject({ traceId, parentSpanId: caller });
  expect(far).toMatchObject({ traceId, parentSpanId: near?.spanId });
  expect(bodies.join('')).not.toMatch(/marker-of|eyJ/);
});

test('a dial that is refused answers with its id, a malformed one is replaced', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig, '127.0.0.1:1');
  const gateway = await Gateway.start(rig, network, '--proxy', '127.0.0.1:0');
  const ask = async (id: string) => {
    const args = ['-sS', '-D-', '-o', '/dev/null', '--max-time', '10', '-H', `X-Request-Id: ${id}`];
    const { stdout } = await rig.run('curl', [
      ...args,
      `http://127.0.0.1:${gateway.port()}/proxy/nodes/edge-1:2/`,
    ]);
    return /^X-Request-Id: (\S+)\r$/im.exec(stdout.toString())?.[1] ?? '';
  };
  expect(await ask('mine')).toBe('mine');
  const made = await ask('not one');
  expect(made).toMatch(/^[\w-]{21}$/);
  expect(linesOf(gateway.program, made)[0]).toMatchObject({ event: 'proxy-refused' });
  await network.agent.said(new RegExp(`stream-refused.*${made}`));
});

test('SIGUSR2 turns debug lines on and off again, and says so', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig, '127.0.0.1:1');
  const { agent } = network;
  agent.child.kill('SIGUSR2');
  await agent.said(/"event":"log-level","logs":"debug"/);
  agent.child.kill('SIGUSR2');
  await agent.said(/"event":"log-level","logs":"info"/);
  expect(agent.child.exitCode).toBeNull();
});
