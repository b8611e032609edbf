// `fairlead doctor`: each thing that can be wrong is brought about for real, and the line that names it says what to do.

import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { SignJWT } from 'jose';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mintToken } from '../../src/broker/index.ts';
import { parseTarget } from '../../src/cli/address.ts';
import type { Result } from '../../src/cli/doctor/check.ts';
import { diagnose } from '../../src/cli/doctor.ts';
import { Authority } from '../rig/certificates.ts';
import { Network, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';
import { Terminal } from '../rig/terminal.ts';

const secret = 'a secret of the tests, long enough for HS256\n';
const rig = new Rig();
let network: Network;
let tlsPort = 0;
let authority: Authority;

beforeAll(async () => {
  network = await Network.start(rig, '127.0.0.1:*', [], ['--audit-log', rig.path('audit')]);
  authority = await Authority.create(rig, 'authority');
  const { cert, key } = await authority.issue('broker', { san: 'DNS:localhost' });
  const tls = ['--tls-cert', cert, '--tls-key', key];
  const broker = rig.fairlead(
    ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret'), ...tls],
  );
  [tlsPort = 0] = await broker.ports();
  await Authority.create(rig, 'stranger');
});
afterAll(() => rig[Symbol.asyncDispose]());

interface Wishes {
  /** Given as undefined: none. */
  readonly tokenFile?: string | undefined;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly agent?: boolean;
  readonly timeout?: number;
}

/** What the command finds, in this process. */
async function doctor(broker: string, node?: string, target?: string, wishes: Wishes = {}) {
  const { tokenFile = 'tokenFile' in wishes ? undefined : rig.path('dial.token'), ...more } = wishes;
  const options = { broker, timeout: 5, ...more, ...(tokenFile === undefined ? {} : { tokenFile }) };
  const there = target === undefined ? undefined : parseTarget(target);
  const results = await diagnose(node, there, options, pino({ level: 'silent' }), () => {});
  return {
    results,
    line: (name: string) => results.find(({ check }) => check === name),
    failed: results.filter(({ outcome }) => outcome === 'fail').map(({ check }) => check),
  };
}

async function serve(answer: RequestListener): Promise<number> {
  const server = createHttpServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

async function token(name: string, claims: Parameters<typeof mintToken>[0]): Promise<string> {
  return rig.write(name, await mintToken(claims));
}

/** One that was made so many seconds ago, and ends and begins in so many. */
async function agedToken(name: string, agoSeconds: number, leftSeconds: number, nbf = 0): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const jwt = new SignJWT({ fairlead: { dial: ['edge-*'] } })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('dial:somebody')
    .setIssuedAt(nowSeconds - agoSeconds)
    .setNotBefore(nowSeconds + nbf)
    .setExpirationTime(nowSeconds + leftSeconds);
  return rig.write(name, await jwt.sign(Buffer.from(secret.trim())));
}

test('a way that is whole passes from end to end, over TLS', async () => {
  const target = await listen(rig, (socket) => socket.end());
  const args = [...network.access(), '--json', 'edge-1', `127.0.0.1:${target}`];
  const { code, stdout, stderr } = await rig.run(rig.fairleadPath, ['doctor', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { ok, checks } = JSON.parse(stdout.toString()) as { ok: boolean; checks: Result[] };
  expect(ok).toBe(true);
  const [agent, there] = checks.slice(-2);
  expect(agent?.found).toMatch(/answers in .* dialer–broker \+ .* broker–agent/);
  expect(there?.found).toMatch(`the agent connects to 127.0.0.1:${target}`);

  const encrypted = await doctor(`wss://localhost:${tlsPort}`, undefined, undefined, { ca: authority.cert });
  expect(encrypted.failed).toEqual([]);
  expect(encrypted.line('dns')).toMatchObject({
    outcome: 'ok',
    found: expect.stringMatching('localhost is '),
  });
  expect(encrypted.line('tls')?.found).toMatch(
    /^TLSv1.3; a certificate for DNS:localhost by authority, good for/,
  );
  // Nobody serves a node at this one.
  expect(encrypted.line('grants')).toMatchObject({ outcome: 'warn' });
});

describe.concurrent('the one thing that is wrong is named, with what to do', () => {
  test.each<[string, () => Promise<Parameters<typeof doctor>>, string, RegExp, RegExp]>([
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
      async () => [`wss://localhost:${network.port}`],
      'tls',
      /does not speak TLS/,
      /correct the port/,
    ],
    [
      'an authority that is not trusted',
      async () => [`wss://localhost:${tlsPort}`, undefined, undefined, { ca: rig.path('stranger/ca.pem') }],
      'tls',
      /no authority that is trusted here/,
      /--ca/,
    ],
    [
      'a certificate for another name',
      async () => [`wss://127.0.0.1:${tlsPort}`, undefined, undefined, { ca: authority.cert }],
      'tls',
      /its certificate is for DNS:localhost, not for this host/,
      /name the broker as its certificate does/,
    ],
    [
      'TLS where none was meant',
      async () => [`ws://127.0.0.1:${tlsPort}`],
      'broker',
      /does not answer over HTTP/,
      /wss:/,
    ],
    [
      'a web server that is not Fairlead',
      async () => [
        `ws://127.0.0.1:${await serve((_, response) => response.writeHead(404, { server: 'nginx' }).end())}`,
      ],
      'broker',
      /not a Fairlead broker \(HTTP 404, server "nginx"\)/,
      /correct host, port and path/,
    ],
    [
      'a login page in the way',
      async () => [
        `ws://127.0.0.1:${await serve((_, response) => response.writeHead(302, { location: 'http://login.example/' }).end())}`,
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
        network.url,
        undefined,
        undefined,
        { tokenFile: await agedToken('expired.token', 3600, -600) },
      ],
      'token',
      /expired 10m\d*s? ago/,
      /make a new one/,
    ],
    [
      "an agent's token",
      async () => [network.url, undefined, undefined, { tokenFile: rig.path('agent.token') }],
      'token',
      /the token of an agent, of the node "edge-1"/,
      /fairlead token --dial/,
    ],
    [
      'a file without a token',
      async () => [network.url, undefined, undefined, { tokenFile: rig.write('empty.token', '\n') }],
      'token',
      /does not hold a token/,
      /fairlead token/,
    ],
    [
      'a token that is not valid yet',
      async () => [
        network.url,
        undefined,
        undefined,
        { tokenFile: await agedToken('early.token', 0, 7200, 3600) },
      ],
      'token',
      /not valid yet: it begins in (59|60)m/,
      /set the clock/,
    ],
    [
      'a token of another secret',
      async () => [
        network.url,
        undefined,
        undefined,
        {
          tokenFile: await token('forged.token', {
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
      async () => [network.url, 'other-1'],
      'grants',
      /does not grant the node "other-1"/,
      /fairlead token --dial other-1/,
    ],
    [
      'a node whose agent is away',
      async () => [network.url, 'edge-2'],
      'agent',
      /no agent of the node/,
      /start "fairlead agent --node edge-2"/,
    ],
    [
      'a target that refuses',
      async () => [network.url, 'edge-1', '127.0.0.1:1'],
      'target',
      /ECONNREFUSED/,
      /nothing listens/,
    ],
    [
      'a target that the agent does not allow',
      async () => [network.url, 'edge-1', '127.0.0.2:22'],
      'target',
      /ERR_TARGET_DENIED/,
      /--allow "127.0.0.2:22"/,
    ],
    [
      'a target that the token does not grant',
      async () => [
        network.url,
        'edge-1',
        '127.0.0.1:22',
        { tokenFile: await token('narrow.token', { secret, dial: ['edge-1'], targets: ['127.0.0.1:80'] }) },
      ],
      'target',
      /ERR_GRANT_DENIED/,
      /--target '127.0.0.1:22'/,
    ],
  ])('%s', async (_, arrange, check, found, advice) => {
    const { failed, line, results } = await doctor(...(await arrange()));
    expect(failed).toEqual([check]);
    expect(line(check)?.found).toMatch(found);
    expect(line(check)?.advice).toMatch(advice);
    for (const { outcome, found } of results) if (outcome === 'skip') expect(found).not.toBe('');
  });
});

test('what needs a step that failed is skipped, and says so', async () => {
  const { results } = await doctor('ws://127.0.0.1:1', 'edge-1');
  const skipped = results.filter(({ found }) => /not checked: ".*" has not passed/.test(found));
  expect(skipped.map(({ check }) => check)).toEqual([
    ...['tls', 'broker', 'clock', 'websocket', 'grants', 'agent', 'target'],
  ]);
});

test('an intermediary that takes the Upgrade header out is found', async () => {
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const config = [
    'defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s',
    `frontend front\n  bind 127.0.0.1:${port}\n  http-request del-header Upgrade\n  default_backend broker`,
    `backend broker\n  server one 127.0.0.1:${network.port}\n`,
  ];
  const haproxy = rig.start('haproxy', ['-db', '-V', '-f', rig.write('haproxy.cfg', config.join('\n'))]);
  await expect
    .poll(async () => (await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined))?.ok, {
      timeout: 10_000,
    })
    .toBe(true);
  const eaten = await doctor(`ws://127.0.0.1:${port}`, 'edge-1');
  expect(eaten.failed).toEqual(['websocket']);
  expect(eaten.line('websocket')?.found).toMatch(/without its Upgrade header/);
  expect(eaten.line('websocket')?.advice).toMatch(/pass WebSockets/);
  await haproxy.kill();

  const ownAnswer = await serve((request, response) =>
    request.url === '/healthz' || request.url === '/readyz'
      ? response.end('{"status":"ok"}')
      : response.writeHead(502).end('<html>'),
  );
  const answered = await doctor(`ws://127.0.0.1:${ownAnswer}`);
  expect(answered.line('websocket')?.found).toMatch(/in front of the broker answers .* itself \(HTTP 502\)/);
});

test('clocks that disagree are told, and tokens are judged by the broker’s', async () => {
  const hourMs = 3_600_000;
  const ahead = await serve((_, response) => {
    response.setHeader('date', new Date(Date.now() + hourMs).toUTCString());
    response.end('{"status":"ok"}');
  });
  const good = await token('half-hour.token', { secret, dial: ['edge-1'], ttlSeconds: 1800 });
  const { line } = await doctor(`ws://127.0.0.1:${ahead}`, undefined, undefined, { tokenFile: good });
  expect(line('clock')).toMatchObject({ outcome: 'fail', advice: expect.stringMatching('NTP') });
  expect(line('clock')?.found).toMatch(/^this machine's clock is (59|60)m behind the broker's$/);
  expect(line('token')).toMatchObject({
    outcome: 'fail',
    found: expect.stringMatching('expired 30m ago|expired 29m'),
  });
});

test('a proxy of the environment is named, without its password', async () => {
  const run = async (env: NodeJS.ProcessEnv) => {
    const args = ['doctor', '--json', ...network.access()];
    const { stdout } = await rig.run(rig.fairleadPath, args, '', { env });
    const { checks } = JSON.parse(stdout.toString()) as { checks: Result[] };
    return checks.find(({ check }) => check === 'proxy');
  };
  const HTTP_PROXY = 'http://anna:geheim@proxy.example:3128';
  const named = await run({ HTTP_PROXY });
  expect(named).toMatchObject({ outcome: 'warn', found: expect.stringMatching('http://proxy.example:3128') });
  expect(JSON.stringify(named)).not.toMatch('geheim');
  expect(await run({ HTTP_PROXY, NO_PROXY: '127.0.0.1' })).toMatchObject({ outcome: 'skip' });
});

test('who shows a certificate is examined likewise, and a broker below a path is found', async () => {
  const grants = [{ uri: 'spiffe://ops/*', dial: ['edge-*'] }];
  const { cert, key } = await authority.issue('mutual', { san: 'IP:127.0.0.1' });
  const broker = rig.fairlead(
    ...[
      'broker',
      '--listen',
      '127.0.0.1:0',
      '--tls-cert',
      cert,
      '--tls-key',
      key,
      '--client-ca',
      authority.cert,
    ],
    ...['--auth-config', rig.write('auth.json', JSON.stringify({ certificates: { grants } }))],
  );
  const [port = 0] = await broker.ports();
  const anna = await authority.issue('anna', { san: 'URI:spiffe://ops/anna' });
  const bert = await authority.issue('bert', { san: 'URI:spiffe://elsewhere/bert' });
  const shown = (who: { cert: string; key: string }) =>
    doctor(`wss://127.0.0.1:${port}`, 'edge-1', undefined, {
      tokenFile: undefined,
      ca: authority.cert,
      ...who,
    });
  const granted = await shown(anna);
  expect(granted.failed).toEqual(['agent']);
  expect(granted.line('token')?.found).toMatch(/^a certificate, good for another (47|48)h$/);
  const refused = await shown(bert);
  expect(refused.failed).toEqual(['grants']);
  expect(refused.line('grants')?.advice).toMatch('certificate');

  const front = await serve((request, response) => {
    const inside = request.url?.replace(/^\/tunnels/, '');
    if (inside === request.url) response.writeHead(404).end();
    else response.end('{"status":"ok"}');
  });
  expect((await doctor(`ws://127.0.0.1:${front}/tunnels/`)).line('broker')).toMatchObject({ outcome: 'ok' });
  expect((await doctor(`ws://127.0.0.1:${front}`)).failed).toEqual(['broker']);
});

test('a token that ends soon passes with a warning', async () => {
  const soon = await agedToken('soon.token', 36_000, 1800);
  const { failed, line } = await doctor(network.url, 'edge-1', undefined, { tokenFile: soon });
  expect(failed).toEqual([]);
  expect(line('token')).toMatchObject({ outcome: 'warn', advice: expect.stringMatching('renewed soon') });
  const hasty = await agedToken('hasty.token', -3600, 7200);
  const made = await doctor(network.url, 'edge-1', undefined, { tokenFile: hasty });
  expect(made.failed).toEqual([]);
  expect(made.line('token')?.found).toMatch(/which says that it was made (59|60)m from now/);
});

test('an agent’s machine is examined with its token, and no link is opened in its name', async () => {
  const opened = () =>
    readFileSync(rig.path('audit'), 'utf8').match(/"link-opened".*"agent:edge-1"/g)?.length;
  expect(opened()).toBe(1);
  const tokenFile = rig.path('agent.token');
  const { failed, results, line } = await doctor(network.url, undefined, undefined, {
    tokenFile,
    agent: true,
  });
  expect(failed).toEqual([]);
  expect(line('token')?.found).toMatch('to be the agent of the node "edge-1"');
  expect(line('grants')?.found).toMatch("takes it for an agent's");
  expect(results.at(-1)?.check).toBe('grants');
  expect(opened()).toBe(1);
  expect((await doctor(network.url, undefined, undefined, { agent: true })).failed).toEqual(['token']);
  const forged = await token('forged-agent.token', {
    secret: 'another secret, as long as it must be',
    agent: 'edge-1',
  });
  const refused = await doctor(network.url, undefined, undefined, { tokenFile: forged, agent: true });
  expect(refused.failed).toEqual(['grants']);
});

test('a broker of which a proxy shows no more than its links is known all the same', async () => {
  const front = await serve(async (request, response) => {
    if (request.url?.startsWith('/v1/') !== true) return response.writeHead(404).end('<html>');
    const answer = await fetch(`http://127.0.0.1:${network.port}${request.url}`);
    return response.writeHead(answer.status).end(await answer.text());
  });
  const { line } = await doctor(`ws://127.0.0.1:${front}`);
  expect(line('broker')).toMatchObject({
    outcome: 'ok',
    found: expect.stringMatching('only the paths for links'),
  });
});

test('a token is shown to nobody who has not answered as a broker does', async () => {
  const shown: string[] = [];
  const thief = await serve((request, response) => {
    shown.push(JSON.stringify(request.headers));
    response.writeHead(404).end();
  });
  await doctor(`ws://127.0.0.1:${thief}`, 'edge-1');
  expect(shown.length).toBeGreaterThan(0);
  expect(shown.join()).not.toContain('authorization');
});

test('on a terminal the outcome has its colour, and the advice a line of its own', async () => {
  const flags = network.access().join(' ');
  const command = `${rig.fairleadPath} doctor ${flags} edge-1 127.0.0.1:1`;
  const terminal = await Terminal.open(rig, `${command}; NO_COLOR=1 ${command}; echo code $?`, 120, 40);
  await expect.poll(() => terminal.screen(), { timeout: 15_000 }).toMatch(/code 1/);
  const screen = await terminal.screen();
  expect(screen).toMatch(/^ok {4}broker {5}a Fairlead broker, ready$/m);
  expect(screen).toMatch(/^fail {2}target {5}.*ECONNREFUSED.*\n {17}→ nothing listens at 127.0.0.1:1/m);
  const coloured = (await terminal.colours()).split('\n').filter((line) => line.includes('target'));
  expect(coloured).toHaveLength(2);
  expect(coloured[0]).toContain('\u001b[31mfail');
  expect(coloured[1]).not.toContain('\u001b[31m');
});
