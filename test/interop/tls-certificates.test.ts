// Certificates instead of tokens, as operators have them: real processes, files that change, authorities that go.

import { once } from 'node:events';
import { copyFileSync, renameSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Authority, type Issued } from '../rig/certificates.ts';
import { type Program, type Result, Rig } from '../rig/rig.ts';
import { connectTo, listen, readPattern, writePatternWhile } from '../rig/targets.ts';

const config = {
  certificates: {
    grants: [
      { cn: 'system:node:*', organization: 'system:nodes', agent: '{1}', routes: ['default'] },
      { uri: 'spiffe://ops/*', dial: ['edge-*'], targets: ['127.0.0.1:*'] },
    ],
  },
};

const kubelet = (node: string) => `/O=system:nodes/CN=system:node:${node}`;

/** A broker that takes the certificates of one authority, and no token at all. */
class Fleet {
  readonly rig: Rig;
  readonly ca: Authority;
  readonly broker: Program;
  readonly port: number;

  private constructor(rig: Rig, ca: Authority, broker: Program, port: number) {
    this.rig = rig;
    this.ca = ca;
    this.broker = broker;
    this.port = port;
  }

  static async start(rig: Rig): Promise<Fleet> {
    const ca = await Authority.create(rig, 'ca');
    const { cert, key } = await ca.issue('broker', { san: 'IP:127.0.0.1' });
    const auth = rig.write('auth.json', JSON.stringify(config));
    rig.write('deny', '');
    const broker = rig.fairlead(
      ...['broker', '--listen', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key],
      ...['--client-ca', ca.cert, '--auth-config', auth, '--deny-file', rig.path('deny')],
    );
    const [port = 0] = await broker.ports();
    return new Fleet(rig, ca, broker, port);
  }

  access(who?: Issued): string[] {
    const shown = who === undefined ? [] : ['--cert', who.cert, '--key', who.key];
    return ['--broker', `wss://127.0.0.1:${this.port}`, '--ca', this.ca.cert, ...shown];
  }

  agent(who: Issued): Program {
    return this.rig.fairlead('agent', ...this.access(who), '--node', 'edge-1', '--allow', '127.0.0.1:*');
  }

  async forward(who: Issued, target: number): Promise<number> {
    const program = this.rig.fairlead('forward', ...this.access(who), `0:edge-1:127.0.0.1:${target}`);
    const [port = 0] = await program.ports();
    return port;
  }

  nodes(who?: Issued): Promise<Result> {
    return this.rig.run(this.rig.fairleadPath, ['nodes', '--json', ...this.access(who)]);
  }

  /** As rotation tools do: never half a file, and one file after the other. */
  replace(old: Issued, next: Issued): void {
    renameSync(next.cert, old.cert);
    renameSync(next.key, old.key);
  }
}

// Most of their time is spent waiting.
test.concurrent('agent and dialer move to new certificates under a stream, without a token and without a lost byte', async () => {
  await using rig = new Rig();
  const fleet = await Fleet.start(rig);
  const { ca, broker } = fleet;
  const agentFiles = await ca.issue('agent', { subject: kubelet('edge-1') });
  const opsFiles = await ca.issue('ops', { san: 'URI:spiffe://ops/alice' });
  const agent = fleet.agent(agentFiles);
  await agent.ports();
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const socket = connectTo(await fleet.forward(opsFiles, echo));
  const read = readPattern(socket);
  let isRotating = true;
  const wrote = writePatternWhile(socket, () => isRotating);
  await broker.said(/"link-open"[^\n]*"kind":"dial"[^\n]*"principal":"cert:spiffe:\/\/ops\/alice"/);
  expect(broker.log).toMatch(/"link-open"[^\n]*"node":"edge-1"[^\n]*"principal":"cert:system:node:edge-1"/);

  fleet.replace(agentFiles, await ca.issue('agent-2', { subject: kubelet('edge-1') }));
  await broker.said(/"link-closed"[^\n]*"kind":"agent"[^\n]*"code":4409/);
  fleet.replace(opsFiles, await ca.issue('ops-2', { san: 'URI:spiffe://ops/alice' }));
  await broker.said(/"link-closed"[^\n]*"kind":"dial"[^\n]*"code":(4409|1000)/);
  isRotating = false;
  expect(await read).toBe(await wrote);
  // Nobody was ever without a link.
  expect(agent.log).not.toContain('"link-down"');
  for (const { log } of [broker, agent]) expect(log).not.toContain('PRIVATE KEY');
});

test.concurrent('an agent whose certificate ends loses its link, and with a new one its stream goes on', async () => {
  await using rig = new Rig();
  const fleet = await Fleet.start(rig);
  const { ca, broker } = fleet;
  const opsFiles = await ca.issue('ops', { san: 'URI:spiffe://ops/alice' });
  const next = await ca.issue('next', { subject: kubelet('edge-1') });
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const forward = await fleet.forward(opsFiles, echo);
  // Long enough to get going on a busy machine; begun when all else stands.
  const agentFiles = await ca.issue('agent', {
    subject: kubelet('edge-1'),
    notAfter: new Date(Date.now() + 15_000),
  });
  const agent = fleet.agent(agentFiles);
  await agent.ports();
  const socket = connectTo(forward);
  const says = async (text: string) => {
    socket.write(text);
    const [chunk] = await once(socket, 'data');
    return String(chunk);
  };
  expect(await says('before')).toBe('before');
  await broker.said(
    /"link-closed"[^\n]*"kind":"agent"[^\n]*"code":4401,"reason":"the certificate has expired"/,
  );
  await agent.said(/ERR_UNAUTHORIZED[^\n]*the client certificate is refused: it has expired/);
  fleet.replace(agentFiles, next);
  expect(await says('after')).toBe('after');
});

test.concurrent('who shows none, or a bad one, is told so in one line', async () => {
  await using rig = new Rig();
  const fleet = await Fleet.start(rig);
  const { ca } = fleet;
  const other = await Authority.create(rig, 'other');
  const san = 'URI:spiffe://ops/alice';
  const good = await ca.issue('ops', { san });
  expect(await fleet.nodes(good)).toMatchObject({ code: 0, stderr: '' });

  const none = await fleet.nodes();
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('or show a certificate with --cert')]);
  const past = new Date(Date.now() - 60_000);
  for (const [who, complaint] of [
    [await other.issue('stranger', { san }), 'no authority that is trusted here has issued it'],
    [await ca.issue('expired', { san, notAfter: past }), 'it has expired'],
    [await ca.issue('nobody'), 'this broker grants nothing to the names in the client certificate'],
  ] as const) {
    const { code, stderr } = await fleet.nodes(who);
    expect([code, stderr]).toEqual([1, expect.stringContaining(complaint)]);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^fairlead: .*ERR_UNAUTHORIZED/);
  }
  const expired = { cert: rig.path('expired.pem'), key: rig.path('expired.key') };
  const dial = await rig.run(rig.fairleadPath, ['dial', ...fleet.access(expired), 'edge-1', '127.0.0.1:1']);
  expect([dial.code, dial.stderr]).toEqual([1, expect.stringContaining('it has expired')]);
  const agent = fleet.agent(expired);
  expect(await agent.exited).toBe(1);
  expect(agent.log).toContain('it has expired');

  const serial = (await rig.run('openssl', ['x509', '-noout', '-serial', '-in', good.cert])).stdout;
  rig.write('deny', `jti serial:${serial.toString().trim().replace('serial=', '')}\n`);
  await fleet.broker.said(/"deny-list-loaded"/);
  expect(await fleet.nodes(good)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the client certificate was revoked'),
  });
});

test.concurrent('an authority that is replaced takes its certificates along: links are closed, and nobody comes back', async () => {
  await using rig = new Rig();
  const fleet = await Fleet.start(rig);
  const { ca, broker } = fleet;
  const files = await ca.issue('agent', { subject: kubelet('edge-1') });
  // The peers go on trusting the broker: what they trust is in a file of theirs.
  const trusted = rig.path('trusted.pem');
  copyFileSync(ca.cert, trusted);
  const agent = fleet.agent(files);
  await agent.ports();

  const other = await Authority.create(rig, 'other');
  const peers = ['--broker', `wss://127.0.0.1:${fleet.port}`, '--ca', trusted];
  renameSync(other.cert, ca.cert);
  await broker.said(/"certificate-loaded"/);
  await broker.said(/"link-closed"[^\n]*"kind":"agent"[^\n]*"code":4401/);
  const refused = await rig.run(rig.fairleadPath, [
    ...['agent', ...peers, '--cert', files.cert, '--key', files.key, '--node', 'edge-1', '--allow', '*:1'],
  ]);
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining('no authority that is trusted'),
  ]);
});

test.concurrent('flags that do not go together are refused before anything is opened', async () => {
  await using rig = new Rig();
  const ca = await Authority.create(rig, 'ca');
  const { cert, key } = await ca.issue('one');
  const auth = rig.write('auth.json', JSON.stringify(config));
  const tls = ['--tls-cert', cert, '--tls-key', key];
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const secret = ['--auth-secret-file', rig.path('secret')];
  const dial = ['edge-1', '127.0.0.1:1'];
  const shown = ['--cert', cert, '--key', key];
  for (const [code, args, complaint] of [
    [2, ['broker', ...secret, '--client-ca', ca.cert], '--client-ca goes with --tls-cert'],
    [2, ['broker', ...secret, ...tls, '--client-ca', ca.cert], 'goes with "certificates" in --auth-config'],
    [2, ['broker', '--auth-config', auth, ...tls], 'goes with --client-ca'],
    [1, ['broker', '--auth-config', auth, ...tls, '--client-ca', key], 'this holds a private key'],
    [2, ['dial', '--broker', 'wss://x', '--cert', cert, ...dial], '--cert and --key go together'],
    [2, ['dial', '--broker', 'wss://x', '--key', key, ...dial], '--cert and --key go together'],
    [2, ['dial', '--broker', 'ws://127.0.0.1:1', ...shown, ...dial], 'a certificate is shown inside TLS'],
    [1, ['dial', '--broker', 'wss://x', '--cert', key, '--key', key, ...dial], 'holds no certificate in PEM'],
    [1, ['dial', '--broker', 'wss://x', '--cert', cert, '--key', cert, ...dial], 'holds no private key'],
  ] as const) {
    const result = await rig.run(rig.fairleadPath, args);
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(complaint)]);
    expect(result.stderr).toMatch(/^fairlead: [^\n]*\n$/);
  }
});
