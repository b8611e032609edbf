// `fairlead doctor` where nothing, or nothing much, is wrong: what it looks at, whom it tells the token, how it looks.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Result } from '../../src/cli/doctor/check.ts';
import { Practice, secret } from '../rig/practice.ts';
import { Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';
import { Terminal } from '../rig/terminal.ts';

const rig = new Rig();
let practice: Practice;

beforeAll(async () => {
  practice = await Practice.open(rig);
});
afterAll(() => rig[Symbol.asyncDispose]());

test('a way that is whole passes from end to end, over TLS', async () => {
  const target = await listen(rig, (socket) => socket.end());
  const args = [...practice.network.access(), '--json', 'edge-1', `127.0.0.1:${target}`];
  const { code, stdout, stderr } = await rig.run(rig.fairleadPath, ['doctor', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { ok, checks } = JSON.parse(stdout.toString()) as { ok: boolean; checks: Result[] };
  expect(ok).toBe(true);
  const [agent, there] = checks.slice(-2);
  expect(agent?.found).toMatch(/answers in .* dialer–broker \+ .* broker–agent/);
  expect(there?.found).toMatch(`the agent connects to 127.0.0.1:${target}`);

  const encrypted = await practice.doctor(practice.tlsUrl, undefined, undefined, {
    ca: practice.authority.cert,
  });
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

test('what needs a step that failed is skipped, and says so', async () => {
  const { results } = await practice.doctor('ws://127.0.0.1:1', 'edge-1');
  const skipped = results.filter(({ found }) => /not checked: ".*" has not passed/.test(found));
  expect(skipped.map(({ check }) => check)).toEqual([
    ...['proxy', 'tls', 'broker', 'clock', 'websocket', 'grants', 'agent', 'target'],
  ]);
});

test('clocks that disagree are told, and tokens are judged by the broker’s', async () => {
  const hourMs = 3_600_000;
  const ahead = await practice.serve((_, response) => {
    response.setHeader('date', new Date(Date.now() + hourMs).toUTCString());
    response.end('{"status":"ok"}');
  });
  const good = await practice.token('half-hour.token', { secret, dial: ['edge-1'], ttlSeconds: 1800 });
  const { line } = await practice.doctor(`ws://127.0.0.1:${ahead}`, undefined, undefined, {
    tokenFile: good,
  });
  expect(line('clock')).toMatchObject({ outcome: 'fail', advice: expect.stringMatching('NTP') });
  expect(line('clock')?.found).toMatch(/^this machine's clock is (59|60)m behind the broker's$/);
  expect(line('token')).toMatchObject({
    outcome: 'fail',
    found: expect.stringMatching('expired 30m ago|expired 29m'),
  });
});

test('a proxy that does not answer is what fails, and its password is not shown', async () => {
  const run = async (...more: string[]) => {
    const args = ['doctor', '--json', ...practice.network.access(), ...more];
    const { stdout } = await rig.run(rig.fairleadPath, args);
    return (JSON.parse(stdout.toString()) as { checks: Result[] }).checks;
  };
  const checks = await run('--proxy', `http://anna:geheim@127.0.0.1:${practice.network.port}`);
  const found = expect.stringMatching(`http://127.0.0.1:${practice.network.port}`);
  expect(checks.find(({ check }) => check === 'proxy')).toMatchObject({ outcome: 'fail', found });
  expect(JSON.stringify(checks)).not.toMatch('geheim');
  const direct = await run('--proxy', 'none');
  expect(direct.find(({ check }) => check === 'proxy')).toMatchObject({ outcome: 'skip' });
});

test('who shows a certificate is examined likewise, and a broker below a path is found', async () => {
  const grants = [{ uri: 'spiffe://ops/*', dial: ['edge-*'] }];
  const { cert, key } = await practice.authority.issue('mutual', { san: 'IP:127.0.0.1' });
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
      practice.authority.cert,
    ],
    ...['--auth-config', rig.write('auth.json', JSON.stringify({ certificates: { grants } }))],
  );
  const [port = 0] = await broker.ports();
  const anna = await practice.authority.issue('anna', { san: 'URI:spiffe://ops/anna' });
  const bert = await practice.authority.issue('bert', { san: 'URI:spiffe://elsewhere/bert' });
  const shown = (who: { cert: string; key: string }) =>
    practice.doctor(`wss://127.0.0.1:${port}`, 'edge-1', undefined, {
      tokenFile: undefined,
      ca: practice.authority.cert,
      ...who,
    });
  const granted = await shown(anna);
  expect(granted.failed).toEqual(['agent']);
  expect(granted.line('token')?.found).toMatch(/^a certificate, good for another (47|48)h$/);
  const refused = await shown(bert);
  expect(refused.failed).toEqual(['grants']);
  expect(refused.line('grants')?.advice).toMatch('certificate');

  const front = await practice.serve((request, response) => {
    const inside = request.url?.replace(/^\/tunnels/, '');
    if (inside === request.url) response.writeHead(404).end();
    else response.end('{"status":"ok"}');
  });
  expect((await practice.doctor(`ws://127.0.0.1:${front}/tunnels/`)).line('broker')).toMatchObject({
    outcome: 'ok',
  });
  expect((await practice.doctor(`ws://127.0.0.1:${front}`)).failed).toEqual(['broker']);
});

test('a token that ends soon passes with a warning', async () => {
  const soon = await practice.agedToken('soon.token', 36_000, 1800);
  const { failed, line } = await practice.doctor(practice.network.url, 'edge-1', undefined, {
    tokenFile: soon,
  });
  expect(failed).toEqual([]);
  expect(line('token')).toMatchObject({ outcome: 'warn', advice: expect.stringMatching('renewed soon') });
  const hasty = await practice.agedToken('hasty.token', -3600, 7200);
  const made = await practice.doctor(practice.network.url, 'edge-1', undefined, { tokenFile: hasty });
  expect(made.failed).toEqual([]);
  expect(made.line('token')?.found).toMatch(/which says that it was made (59|60)m from now/);
});

test('an agent’s machine is examined with its token, and no link is opened in its name', async () => {
  const opened = () =>
    readFileSync(rig.path('audit'), 'utf8').match(/"link-opened".*"agent:edge-1"/g)?.length;
  expect(opened()).toBe(1);
  const tokenFile = rig.path('agent.token');
  const { failed, results, line } = await practice.doctor(practice.network.url, undefined, undefined, {
    tokenFile,
    agent: true,
  });
  expect(failed).toEqual([]);
  expect(line('token')?.found).toMatch('to be the agent of the node "edge-1"');
  expect(line('grants')?.found).toMatch("takes it for an agent's");
  expect(results.at(-1)?.check).toBe('grants');
  expect(opened()).toBe(1);
  expect((await practice.doctor(practice.network.url, undefined, undefined, { agent: true })).failed).toEqual(
    ['token'],
  );
  const forged = await practice.token('forged-agent.token', {
    secret: 'another secret, as long as it must be',
    agent: 'edge-1',
  });
  const refused = await practice.doctor(practice.network.url, undefined, undefined, {
    tokenFile: forged,
    agent: true,
  });
  expect(refused.failed).toEqual(['grants']);
});

test('a broker of which a proxy shows no more than its links is known all the same', async () => {
  const front = await practice.serve(async (request, response) => {
    if (request.url?.startsWith('/v1/') !== true) return response.writeHead(404).end('<html>');
    const answer = await fetch(`http://127.0.0.1:${practice.network.port}${request.url}`);
    return response.writeHead(answer.status).end(await answer.text());
  });
  const { line } = await practice.doctor(`ws://127.0.0.1:${front}`);
  expect(line('broker')).toMatchObject({
    outcome: 'ok',
    found: expect.stringMatching('only the paths for links'),
  });
});

test('a token is shown to nobody who has not answered as a broker does', async () => {
  const shown: string[] = [];
  const thief = await practice.serve((request, response) => {
    shown.push(JSON.stringify(request.headers));
    response.writeHead(404).end();
  });
  await practice.doctor(`ws://127.0.0.1:${thief}`, 'edge-1');
  expect(shown.length).toBeGreaterThan(0);
  expect(shown.join()).not.toContain('authorization');
});

test('on a terminal the outcome has its colour, and the advice a line of its own', async () => {
  const flags = practice.network.access().join(' ');
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
