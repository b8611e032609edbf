// `fairlead doctor`: each thing that can be wrong is brought about for real, and the line that names it says what to do.

import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { freePort } from '../rig/free-port.ts';
import { Practice, secret } from '../rig/practice.ts';
import { Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

const rig = new Rig();
let practice: Practice;

beforeAll(async () => {
  practice = await Practice.open(rig);
  await Authority.create(rig, 'stranger');
});
afterAll(() => rig[Symbol.asyncDispose]());

describe.concurrent('the one thing that is wrong is named, with what to do', () => {
  test.each<[string, () => Promise<Parameters<Practice['doctor']>>, string, RegExp, RegExp]>([
    [
      'a name that DNS does not know',
      async () => ['wss://nowhere.invalid'],
      'dns',
      /"nowhere.invalid"/,
      /how --broker spells it|DNS servers/,
    ],
    [
      'a closed port',
      async () => ['ws://127.0.0.1:1'],
      'tcp',
      /127.0.0.1:1: connection refused/,
      /start the broker/,
    ],
    [
      'something that is not TLS',
      async () => [`wss://localhost:${practice.network.port}`],
      'tls',
      /does not speak TLS/,
      /correct the port/,
    ],
    [
      'an authority that is not trusted',
      async () => [practice.tlsUrl, undefined, undefined, { ca: rig.path('stranger/ca.pem') }],
      'tls',
      /no authority that is trusted here/,
      /--ca/,
    ],
    [
      'a certificate for another name',
      async () => [
        `wss://127.0.0.1:${new URL(practice.tlsUrl).port}`,
        undefined,
        undefined,
        { ca: practice.authority.cert },
      ],
      'tls',
      /its certificate is for DNS:localhost, not for this host/,
      /name the broker as its certificate does/,
    ],
    [
      'TLS where none was meant',
      async () => [practice.tlsUrl.replace('wss:', 'ws:')],
      'broker',
      /does not answer over HTTP/,
      /wss:/,
    ],
    [
      'a web server that is not Fairlead',
      async () => [
        `ws://127.0.0.1:${await practice.serve((_, response) => response.writeHead(404, { server: 'nginx' }).end())}`,
      ],
      'broker',
      /not a Fairlead broker \(HTTP 404, server "nginx"\)/,
      /correct host, port and path/,
    ],
    [
      'a login page in the way',
      async () => [
        `ws://127.0.0.1:${await practice.serve((_, response) => response.writeHead(302, { location: 'http://login.example/' }).end())}`,
      ],
      'broker',
      /which sends to http:\/\/login.example\//,
      /a login page/,
    ],
    [
      'something that says nothing',
      async () => [`ws://127.0.0.1:${await listen(rig, () => {})}`, undefined, undefined, { timeout: 0.3 }],
      'broker',
      /no answer in time/,
      /may not speak HTTP/,
    ],
    [
      'an expired token',
      async () => [
        practice.network.url,
        undefined,
        undefined,
        { tokenFile: await practice.agedToken('expired.token', 3600, -600) },
      ],
      'token',
      /expired 10m\d*s? ago/,
      /make a new one/,
    ],
    [
      "an agent's token",
      async () => [practice.network.url, undefined, undefined, { tokenFile: rig.path('agent.token') }],
      'token',
      /the token of an agent, of the node "edge-1"/,
      /fairlead token --dial/,
    ],
    [
      'a file without a token',
      async () => [practice.network.url, undefined, undefined, { tokenFile: rig.write('empty.token', '\n') }],
      'token',
      /does not hold a token/,
      /fairlead token/,
    ],
    [
      'a token that is not valid yet',
      async () => [
        practice.network.url,
        undefined,
        undefined,
        { tokenFile: await practice.agedToken('early.token', 0, 7200, 3600) },
      ],
      'token',
      /not valid yet: it begins in (59|60)m/,
      /set the clock/,
    ],
    [
      'a token of another secret',
      async () => [
        practice.network.url,
        undefined,
        undefined,
        {
          tokenFile: await practice.token('forged.token', {
            secret: 'another secret, as long as it must be',
            dial: ['edge-1'],
          }),
        },
      ],
      'grants',
      /the broker refuses the token/,
      /signed with a key of this broker/,
    ],
    [
      'a node that the token does not grant',
      async () => [practice.network.url, 'other-1'],
      'grants',
      /does not grant the node "other-1"/,
      /fairlead token --dial other-1/,
    ],
    [
      'a node whose agent is away',
      async () => [practice.network.url, 'edge-2'],
      'agent',
      /no agent of the node/,
      /start "fairlead agent --node edge-2"/,
    ],
    [
      'a target that refuses',
      async () => [practice.network.url, 'edge-1', '127.0.0.1:1'],
      'target',
      /ECONNREFUSED/,
      /nothing listens/,
    ],
    [
      'a target that the agent does not allow',
      async () => [practice.network.url, 'edge-1', '127.0.0.2:22'],
      'target',
      /ERR_TARGET_DENIED/,
      /--allow "127.0.0.2:22"/,
    ],
    [
      'a target that the token does not grant',
      async () => [
        practice.network.url,
        'edge-1',
        '127.0.0.1:22',
        {
          tokenFile: await practice.token('narrow.token', {
            secret,
            dial: ['edge-1'],
            targets: ['127.0.0.1:80'],
          }),
        },
      ],
      'target',
      /ERR_GRANT_DENIED/,
      /--target '127.0.0.1:22'/,
    ],
  ])('%s', async (_, arrange, check, found, advice) => {
    const { failed, line, results } = await practice.doctor(...(await arrange()));
    expect(failed).toEqual([check]);
    expect(line(check)?.found).toMatch(found);
    expect(line(check)?.advice).toMatch(advice);
    for (const { outcome, found } of results) if (outcome === 'skip') expect(found).not.toBe('');
  });
});

test('an intermediary that takes the Upgrade header out is found', async () => {
  const port = await freePort();
  const config = [
    'defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s',
    `frontend front\n  bind 127.0.0.1:${port}\n  http-request del-header Upgrade\n  default_backend broker`,
    `backend broker\n  server one 127.0.0.1:${practice.network.port}\n`,
  ];
  const haproxy = rig.start('haproxy', ['-db', '-V', '-f', rig.write('haproxy.cfg', config.join('\n'))]);
  await expect
    .poll(async () => (await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined))?.ok, {
      timeout: 10_000,
    })
    .toBe(true);
  const eaten = await practice.doctor(`ws://127.0.0.1:${port}`, 'edge-1');
  expect(eaten.failed).toEqual(['websocket']);
  expect(eaten.line('websocket')?.found).toMatch(/without its Upgrade header/);
  expect(eaten.line('websocket')?.advice).toMatch(/pass WebSockets/);
  await haproxy.kill();

  const ownAnswer = await practice.serve((request, response) =>
    request.url === '/healthz' || request.url === '/readyz'
      ? response.end('{"status":"ok"}')
      : response.writeHead(502).end('<html>'),
  );
  const answered = await practice.doctor(`ws://127.0.0.1:${ownAnswer}`);
  expect(answered.line('websocket')?.found).toMatch(/in front of the broker answers .* itself \(HTTP 502\)/);
});

test('a certificate that has ended fails, and one that soon will is a warning', async () => {
  const examined = async (name: string, leftMs: number) => {
    const notAfter = new Date(Date.now() + leftMs);
    const { cert, key } = await practice.authority.issue(name, { san: 'DNS:localhost', notAfter });
    const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) =>
      socket.on('error', () => {}).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    rig.defer(() => server.close());
    const { port } = server.address() as AddressInfo;
    const ca = practice.authority.cert;
    return await practice.doctor(`wss://localhost:${port}`, undefined, undefined, { ca });
  };
  const ended = await examined('ended', -60_000);
  expect(ended.failed).toEqual(['tls']);
  expect(ended.line('tls')).toMatchObject({
    found: expect.stringMatching('it has expired'),
    advice: expect.stringMatching('renew'),
  });
  // Of an hour and three minutes, three are left.
  expect((await examined('ending', 180_000)).line('tls')).toMatchObject({
    outcome: 'warn',
    advice: expect.stringMatching('renew'),
  });
});
