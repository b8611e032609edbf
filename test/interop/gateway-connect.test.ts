// HTTP CONNECT and SOCKS5 with curl, which nobody here wrote, to a real HTTPS server on the node.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { Gateway } from '../rig/gateway.ts';
import { Network, type Result, Rig } from '../rig/rig.ts';

const body = 'x'.repeat(3_000_000);

/** An HTTPS server whose certificate is for `edge-1`; answers its port, and how curl trusts it. */
async function startHttps(rig: Rig, authority: Authority): Promise<number> {
  const { cert, key } = await authority.issue('target', { san: 'DNS:edge-1' });
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    if (request.method === 'GET') response.end(body);
    else request.pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

test('curl gets and puts over HTTPS through CONNECT and SOCKS5, with a password where one is wanted', async () => {
  await using rig = new Rig();
  const authority = await Authority.create(rig, 'authority');
  const port = await startHttps(rig, authority);
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  rig.write('users', '# those who may\nanna:an-apple:a-day\nbert:pear\n');
  const plain = await Gateway.start(
    rig,
    network,
    ...['--http-connect', '127.0.0.1:0', '--socks5', '127.0.0.1:0', '--http-connect', '[::1]:0'],
  );
  const guarded = await Gateway.start(
    rig,
    network,
    ...['--http-connect', '127.0.0.1:0', '--socks5', '127.0.0.1:0', '--basic-auth-file', rig.path('users')],
  );
  expect(plain.listen).toEqual([
    expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^\[::1\]:\d+$/),
    expect.stringMatching(/^127\.0\.0\.1:\d+$/),
  ]);
  const curl = (...args: string[]): Promise<Result> =>
    rig.run('curl', ['-sS', '--max-time', '30', '--cacert', authority.cert, ...args], 'what is put');
  const url = `https://edge-1:${port}/`;

  const ways = [
    ['--proxy', `http://${plain.listen[0]}`],
    ['--proxy', `http://${plain.listen[1]}`],
    ['--socks5-hostname', plain.listen[2] ?? ''],
    ['--proxy', `http://${guarded.listen[0]}`, '--proxy-user', 'anna:an-apple:a-day'],
    ['--socks5-hostname', guarded.listen[1] ?? '', '--proxy-user', 'bert:pear'],
  ];
  for (const way of ways) {
    const got = await curl(...way, url);
    expect(got.stderr, way.join(' ')).toBe('');
    expect(got.stdout.toString() === body, way.join(' ')).toBe(true);
    const put = await curl(...way, '-T', '-', url);
    expect(put.stdout.toString(), way.join(' ')).toBe('what is put');
  }

  const none = await curl('--proxy', `http://${guarded.listen[0]}`, '-v', url);
  expect(none.stderr).toContain('Proxy-Authenticate: Basic realm="fairlead"');
  expect(none.stderr).toContain('CONNECT tunnel failed, response 407');
  const wrong = await curl('--proxy', `http://${guarded.listen[0]}`, '--proxy-user', 'bert:apple', url);
  expect(wrong.stderr).toContain('response 407');
  const wrongSocks = await curl(
    '--socks5-hostname',
    guarded.listen[1] ?? '',
    '--proxy-user',
    'bert:apple',
    url,
  );
  expect(wrongSocks.code).toBe(97);
  const noneSocks = await curl('--socks5-hostname', guarded.listen[1] ?? '', url);
  expect(noneSocks.code).toBe(97);

  // A file that is replaced is followed; a bad one changes nothing.
  rig.write('users', 'bert\n');
  await guarded.program.said(/"event":"file-failed"[^\n]*line 1 is not/);
  expect((await curl(...(ways[3] ?? []), url)).stderr).toBe('');
  rig.write('users', 'carla:plum\n');
  const carla = ['--proxy', `http://${guarded.listen[0]}`, '--proxy-user', 'carla:plum'];
  await until(async () => (await curl(...carla, url)).code === 0);
  expect((await curl(...(ways[3] ?? []), url)).stderr).toContain('response 407');
  expect(guarded.program.log).not.toMatch(/apple|pear|plum|bert/);
}, 60_000);

test('curl comes through mutual TLS with a certificate of the authority, and not with another', async () => {
  await using rig = new Rig();
  const authority = await Authority.create(rig, 'authority');
  const other = await Authority.create(rig, 'other');
  const port = await startHttps(rig, authority);
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  const server = await authority.issue('gateway', { san: 'IP:127.0.0.1' });
  const good = await authority.issue('good', { usage: 'clientAuth' });
  const strange = await other.issue('strange');
  const expired = await authority.issue('expired', { notAfter: new Date(Date.now() - 60_000) });
  const forServers = await authority.issue('for-servers', { usage: 'serverAuth' });
  const gateway = await Gateway.start(
    rig,
    network,
    ...['--http-connect', 'tls:127.0.0.1:0', '--tls-cert', server.cert, '--tls-key', server.key],
    ...['--client-ca', authority.cert],
  );
  const curl = (client: { cert: string; key: string } | undefined, ...more: string[]): Promise<Result> =>
    rig.run('curl', [
      ...['-sS', '--max-time', '30', '--cacert', authority.cert, '--proxy', `https://${gateway.listen[0]}`],
      ...(client === undefined ? [] : ['--proxy-cert', client.cert, '--proxy-key', client.key]),
      ...(more.length === 0 ? ['--proxy-cacert', authority.cert] : more),
      `https://edge-1:${port}/`,
    ]);

  const got = await curl(good);
  expect(got.stderr).toBe('');
  expect(got.stdout.toString() === body).toBe(true);
  for (const [client, why] of [
    [undefined, 'a client certificate is needed here'],
    [strange, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [expired, 'CERT_HAS_EXPIRED'],
    [forServers, 'INVALID_PURPOSE'],
  ] as const) {
    const refused = await curl(client, '--proxy-cacert', authority.cert, '-v');
    expect(refused.code, why).not.toBe(0);
    expect(refused.stdout.length, why).toBe(0);
    expect(refused.stderr).toMatch(new RegExp(`< HTTP/1.1 403 [^\\n]*${why}`));
    expect(gateway.program.log).toContain(why);
  }
  // And the client verifies the gateway: under another authority it says nothing to it.
  expect((await curl(good, '--proxy-cacert', other.cert)).code).toBe(60);

  // The authority is replaced on disk: who was good is not any more, and the other way round.
  const trusted = readFileSync(authority.cert, 'utf8');
  const proxyTrust = ['--proxy-cacert', rig.write('trusted.pem', trusted)];
  rig.write('authority/ca.pem', readFileSync(other.cert, 'utf8'));
  await gateway.program.said(/"event":"certificate-loaded"/);
  const again = (client: { cert: string; key: string }): Promise<Result> =>
    rig.run('curl', [
      ...[
        '-sS',
        '--max-time',
        '30',
        '--cacert',
        rig.path('trusted.pem'),
        '--proxy',
        `https://${gateway.listen[0]}`,
      ],
      ...['--proxy-cert', client.cert, '--proxy-key', client.key, ...proxyTrust, `https://edge-1:${port}/`],
    ]);
  expect((await again(good)).code).not.toBe(0);
  const admitted = await again(strange);
  expect(admitted.stderr).toBe('');
  expect(admitted.stdout.length).toBe(body.length);
}, 60_000);

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 25));
}
