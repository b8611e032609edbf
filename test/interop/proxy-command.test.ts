// `fairlead gateway --proxy` as people run it: real processes, curl, and what is said in the log.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { Gateway } from '../rig/gateway.ts';
import { serveHttp } from '../rig/http-target.ts';
import { Network, Rig } from '../rig/rig.ts';

async function curl(rig: Rig, ...args: string[]) {
  const flags = ['--silent', '--show-error', '--max-time', '20', '--write-out', '%{http_code}'];
  const { code, stdout, stderr } = await rig.run('curl', [...flags, ...args]);
  const all = stdout.toString();
  return { code, status: Number(all.slice(-3)), body: all.slice(0, -3), stderr };
}

test('it serves loopback with a password, a socket, and mutual TLS, in the order of its flags', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, ({ headers }, response) => {
    response.end(
      `${headers.authorization} ${headers['proxy-authorization']} ${headers['x-forwarded-proto']}`,
    );
  });
  const authority = await Authority.create(rig, 'gateway-ca');
  const server = await authority.issue('gateway', { san: 'IP:127.0.0.1', usage: 'serverAuth' });
  const client = await authority.issue('somebody', { usage: 'clientAuth' });
  const users = rig.write('users', 'ann:secret of ann\n');
  const network = await Network.start(rig);
  const path = rig.path('proxy.sock');
  const gateway = await Gateway.start(
    rig,
    network,
    ...['--proxy', '127.0.0.1:0', '--proxy', `unix:${path}`, '--proxy', 'tls:127.0.0.1:0'],
    ...['--tls-cert', server.cert, '--tls-key', server.key, '--client-ca', authority.cert],
    ...['--basic-auth-file', users],
  );
  expect(gateway.listen).toHaveLength(3);
  expect(gateway.listen[1]).toBe(`unix:${path}`);
  const plain = `http://127.0.0.1:${gateway.port(0)}/proxy/nodes/edge-1:${target.port}/`;
  expect(await curl(rig, plain)).toMatchObject({ code: 0, status: 401 });
  expect(await curl(rig, '-u', 'ann:wrong', plain)).toMatchObject({ status: 401 });
  expect(await curl(rig, '-u', 'ann:secret of ann', plain)).toMatchObject({
    status: 200,
    body: 'undefined undefined http',
  });
  const forProxy = `Proxy-Authorization: Basic ${Buffer.from('ann:secret of ann').toString('base64')}`;
  expect(await curl(rig, '-H', forProxy, '-H', 'Authorization: Bearer of the target', plain)).toMatchObject({
    status: 200,
    body: 'Bearer of the target undefined http',
  });
  // Who may use a socket file is its mode's to say; no browser can, so any name will do.
  const unix = `http://whatever/proxy/nodes/edge-1:${target.port}/`;
  expect(await curl(rig, '--unix-socket', path, '-u', 'user:of-the-target', unix)).toMatchObject({
    status: 200,
    body: `Basic ${Buffer.from('user:of-the-target').toString('base64')} undefined http`,
  });
  const tls = `https://127.0.0.1:${gateway.port(2)}/proxy/nodes/edge-1:${target.port}/`;
  const shown = ['--cacert', authority.cert, '--cert', client.cert, '--key', client.key];
  expect(await curl(rig, ...shown, tls)).toMatchObject({ status: 200, body: 'undefined undefined https' });
  expect(await curl(rig, '--cacert', authority.cert, tls)).toMatchObject({ status: 403 });
  // For a browser that has the certificate, too.
  expect(await curl(rig, ...shown, '-H', 'Origin: https://evil.example', tls)).toMatchObject({ status: 403 });
  expect(gateway.program.log).not.toContain('secret of ann');
  expect(await gateway.program.kill('SIGTERM')).toBe(0);
});

test('it verifies a kubelet-like target with the files of its flags, and follows them', async () => {
  await using rig = new Rig();
  const [first, second] = [await Authority.create(rig, 'first'), await Authority.create(rig, 'second')];
  const issued = await second.issue('edge-1', { san: 'DNS:edge-1' });
  const tls = { cert: readFileSync(issued.cert), key: readFileSync(issued.key) };
  const target = await serveHttp(rig, ({ headers }, response) => response.end(headers.authorization), tls);
  const ca = rig.write('ca.pem', readFileSync(first.cert, 'utf8'));
  const tokenFile = rig.write('token', 'one\n');
  const network = await Network.start(rig);
  const gateway = await Gateway.start(
    rig,
    network,
    ...['--proxy', '127.0.0.1:0', '--target-ca', ca, '--target-token-file', tokenFile],
  );
  const url = `http://127.0.0.1:${gateway.port()}/proxy/nodes/https:edge-1:${target.port}/`;
  const refused = await curl(rig, url);
  expect(refused.status).toBe(502);
  expect(refused.body).toContain('name its authority with --target-ca');
  rig.write('ca.pem', readFileSync(second.cert, 'utf8'));
  await expect.poll(async () => (await curl(rig, url)).body, { timeout: 20_000 }).toBe('Bearer one');
  rig.write('token', 'two\n');
  await expect.poll(async () => (await curl(rig, url)).body, { timeout: 20_000 }).toBe('Bearer two');
  rig.write('token', 'two lines\nare none\n');
  await gateway.program.said(/"event":"file-failed".*no bearer token/);
  expect((await curl(rig, url)).body).toBe('Bearer two');
  expect(gateway.program.log).not.toMatch(/two lines|Bearer/);
});

test('what weakens it is said at start', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const gateway = await Gateway.start(rig, network, '--proxy', '127.0.0.1:0', '--target-insecure');
  await gateway.program.said(/"event":"target-insecure".*no certificate/);
  const remote = rig.fairlead(
    'gateway',
    ...['--broker', 'ws://192.0.2.1', '--insecure', '--token-file', rig.path('dial.token')],
    ...['--proxy', '127.0.0.1:0'],
  );
  await remote.said(/"msg":"ready"/);
  expect(remote.log).toMatch(/"event":"target-plain".*in clear/);
});

test('flags that do not go together, and files that are none, are refused in one line that says why', async () => {
  await using rig = new Rig();
  const { cert: ca } = await Authority.create(rig, 'any');
  const token = rig.write('token', 'x');
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const dial = rig.write('dial.token', await rig.token('--dial', '*'));
  const proxy = ['--proxy', '127.0.0.1:0'];
  const cases: [string[], string, number][] = [
    [['--socks5', '127.0.0.1:0', '--target-ca', ca], 'go with --proxy', 2],
    [[...proxy, '--target-token-file', token], '--target-token-file needs --target-ca', 2],
    [[...proxy, '--target-cert', ca], '--target-cert and --target-key go together', 2],
    [[...proxy, '--target-insecure', '--target-ca', ca], 'give one', 2],
    [[...proxy, '--target-ca', token], 'no certificate', 1],
    [[...proxy, '--target-ca', '/nonexistent'], 'there is no file /nonexistent', 1],
    [['--proxy', '192.0.2.1:80'], 'loopback', 2],
    [['--proxy', 'tls:127.0.0.1:0'], '--tls-cert', 2],
  ];
  const access = ['--broker', 'ws://127.0.0.1:1', '--token-file', dial];
  for (const [flags, why, exit] of cases) {
    const { code, stderr } = await rig.run(rig.fairleadPath, ['gateway', ...access, ...flags]);
    expect(stderr).toContain(why);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(exit);
  }
});
