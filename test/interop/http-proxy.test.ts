// Through an HTTP proxy to the broker, with a real one: agent, dial, client requests and keys; what goes wrong is told.

import { readFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Authority } from '../rig/certificates.ts';
import { connectMachines, Machine } from '../rig/namespaces.ts';
import { Network, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';
import { startTinyProxy, type TinyProxy } from '../rig/tinyproxy.ts';

const rig = new Rig();
let network: Network;
let proxy: TinyProxy;
let echoPort: number;

beforeAll(async () => {
  network = await Network.start(rig);
  proxy = await startTinyProxy(rig, 'proxy', ['BasicAuth anna streng-geheim']);
  echoPort = await listen(rig, (socket) => void socket.pipe(socket));
});

afterAll(async () => await rig[Symbol.asyncDispose]());

async function nodes(url: string, env: NodeJS.ProcessEnv = {}, ...more: string[]) {
  const args = ['nodes', '--json', ...network.access(), '--proxy', url, ...more];
  const { code, stdout, stderr } = await rig.run(rig.fairleadPath, args, '', { env });
  return { code, stdout: stdout.toString(), stderr };
}

/** What answers each connection as `answer` does. */
async function fakeProxy(answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    answer(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('a user and password out of a file let agent, dial and list through, and show nowhere', async () => {
  const file = rig.write('proxy.auth', 'anna:streng-geheim\n');
  const flags = ['--proxy', `http://127.0.0.1:${proxy.port}`, '--proxy-auth-file', file];
  await network.agent.kill('SIGTERM');
  network.agent = network.startAgent('127.0.0.1:*', flags);
  await network.agent.ports();
  expect(proxy.requests()).toEqual([`CONNECT 127.0.0.1:${network.port}`]);
  const args = ['dial', ...network.access(), ...flags, 'edge-1', `127.0.0.1:${echoPort}`];
  const { code, stdout } = await rig.run(rig.fairleadPath, args, 'through');
  expect({ code, said: stdout.toString() }).toEqual({ code: 0, said: 'through' });
  const listed = await nodes(flags[1] as string, {}, ...flags.slice(2));
  expect(listed.stdout).toMatch('edge-1');
  expect(proxy.requests()).toHaveLength(3);
  expect(network.agent.log).toMatch('"proxy-chosen"');
  expect(network.agent.log).not.toMatch('streng');
});

test('a proxy with TLS is verified by --proxy-ca, and by nothing of the broker’s', async () => {
  const authority = await Authority.create(rig, 'of-the-proxy');
  const other = await Authority.create(rig, 'another');
  const shown = await authority.issue('tls-proxy', { san: 'IP:127.0.0.1' });
  const files = { cert: readFileSync(shown.cert), key: readFileSync(shown.key) };
  const front = createTlsServer(files, (near) => {
    const far = connectTcp(proxy.port, '127.0.0.1').on('error', () => near.destroy());
    near
      .on('error', () => far.destroy())
      .pipe(far)
      .pipe(near);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  rig.defer(() => front.close());
  const url = `https://127.0.0.1:${(front.address() as { port: number }).port}`;
  const auth = ['--proxy-auth-file', rig.write('tls-proxy.auth', 'anna:streng-geheim\n')];
  const before = proxy.requests().length;
  const listed = await nodes(url, {}, ...auth, '--proxy-ca', authority.cert);
  expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining('edge-1') });
  expect(proxy.requests()).toHaveLength(before + 1);
  const wrong = [['--proxy-ca', other.cert], [], ['--ca', authority.cert]];
  for (const flags of wrong) {
    const refused = await nodes(url, {}, ...auth, ...flags);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/proxy.*certificate/s) });
    expect(refused.stderr).not.toContain('streng');
  }
  // Before it is known who it is, it is asked nothing.
  expect(proxy.requests()).toHaveLength(before + 1);
});

test('a password in the URL is taken, too, by the client library as well', async () => {
  const token = network.dialToken;
  const url = `http://anna:streng%2Dgeheim@127.0.0.1:${proxy.port}`;
  const broker = connect({ url: network.url, token, proxy: url });
  const before = proxy.requests().length;
  const socket = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: echoPort });
  socket.end('library');
  let said = '';
  for await (const chunk of socket) said += chunk;
  expect(said).toBe('library');
  expect(await broker.nodes()).toHaveLength(1);
  expect(proxy.requests()).toHaveLength(before + 2);
  await broker.close();
});

test.each([
  ['without a password, how to give one', () => `http://127.0.0.1:${proxy.port}`, /--proxy-auth-file/],
  [
    'with a wrong one, that it is wrong',
    () => `http://anna:geheim@127.0.0.1:${proxy.port}`,
    /does not take the user/,
  ],
  ['where nobody listens, that', () => 'http://127.0.0.1:1', /cannot be reached: .*ECONNREFUSED/],
  ['of another kind, which kinds there are', () => 'socks5://geheim@127.0.0.1:1', /only http:/],
  [
    'where another one listens, that it is none',
    () => `http://127.0.0.1:${network.port}`,
    /closed the connection without an answer: check/,
  ],
])('a proxy %s is said in one line', async (_, url, pattern) => {
  const { code, stderr } = await nodes(url());
  expect(code).not.toBe(0);
  expect(stderr).toMatch(pattern);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).not.toMatch('geheim');
});

test.each([
  ['garbage', (socket: Socket) => socket.end('SSH-2.0-no\r\n'), /does not speak HTTP/],
  ['nothing', (socket: Socket) => socket.end(), /closed the connection without an answer/],
  ['a header without end', endless, /does not speak HTTP/],
  ['403', (socket: Socket) => socket.end('HTTP/1.1 403 No\r\n\r\n'), /does not allow connections/],
  ['502', (socket: Socket) => socket.end('HTTP/1.1 502 No\r\n\r\n'), /cannot reach the broker/],
  ['a redirect', (socket: Socket) => socket.end('HTTP/1.1 302 No\r\n\r\n'), /answered HTTP 302/],
  ['NTLM', (socket: Socket) => socket.end(negotiate), /not spoken here/],
  ['bytes of its own', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101'), /bytes of its/],
] as const)('a proxy that answers %s is told of', async (_, answer, pattern) => {
  const { code, stderr } = await nodes(await fakeProxy(answer));
  expect(code).toBe(1);
  expect(stderr).toMatch(pattern);
});

const negotiate = 'HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n\r\n';

function endless(socket: Socket): void {
  socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}`);
}

test('a proxy that never answers is given up within the limit', async () => {
  const broker = connect({
    url: network.url,
    token: network.dialToken,
    proxy: await fakeProxy(() => {}),
    dialTimeoutMs: 200,
  });
  const dial = broker.dial({ node: 'edge-1', host: '127.0.0.1', port: echoPort });
  await expect(dial).rejects.toThrow(expect.objectContaining({ name: 'FairleadError' }));
  await broker.close();
});

test('where only the proxy reaches the broker, TLS is from end to end, and the broker’s own name is verified', async () => {
  const [office, edge] = [await Machine.create(rig), await Machine.create(rig)];
  await connectMachines(rig, [office, '10.77.0.2/30'], [edge, '10.77.0.1/30']);
  // The broker's address is the proxy's machine's own: the office has no route to it.
  await edge.ip('addr', 'add', '10.78.0.1/32', 'dev', 'lo');
  const authority = await Authority.create(rig, 'company');
  const broker = await authority.issue('broker', { san: 'IP:10.78.0.1' });
  const proxyCert = await authority.issue('proxy-only', { san: 'IP:10.77.0.1' });
  const start = async (port: number, { cert, key }: { cert: string; key: string }) => {
    const flags = ['--tls-cert', cert, '--tls-key', key, '--auth-secret-file', rig.path('secret')];
    const args = ['broker', '--listen', `10.78.0.1:${port}`, ...flags];
    await rig.start(...edge.within(rig.fairleadPath, ...args)).ports();
  };
  await start(8443, broker);
  await start(8444, proxyCert);
  const through = await startTinyProxy(rig, 'edge', [], {
    listen: '10.77.0.1',
    within: edge.within.bind(edge),
  });
  const run = (port: number, env: NodeJS.ProcessEnv, ca = authority.cert) => {
    const args = ['nodes', '--broker', `wss://10.78.0.1:${port}`, '--token-file', rig.path('dial.token')];
    const [program, rest] = office.within(rig.fairleadPath, ...args);
    return rig.run(program, rest, '', { env: { SSL_CERT_FILE: ca, ...env } });
  };
  const HTTPS_PROXY = 'http://10.77.0.1:3128';
  expect((await run(8443, {})).stderr).toMatch(/ENETUNREACH/);
  expect((await run(8443, { HTTPS_PROXY, NO_PROXY: '10.0.0.0/8' })).stderr).toMatch(/ENETUNREACH/);
  expect(await run(8443, { HTTPS_PROXY })).toMatchObject({ code: 0 });
  expect(through.requests()).toEqual(['CONNECT 10.78.0.1:8443']);
  // One that has the proxy's name is another's.
  expect((await run(8444, { HTTPS_PROXY })).stderr).toMatch(/certificate is for IP Address:10\.77\.0\.1/);
  expect((await run(8443, { HTTPS_PROXY }, proxyCert.cert)).stderr).toMatch(/certificate/);
});
