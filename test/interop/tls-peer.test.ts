// Peers that do not believe their broker: each kind of bad certificate is told in one line, costs a dial one attempt
// and an agent its ordinary back-off, and no token is sent.

import { copyFileSync, readFileSync } from 'node:fs';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { Authority, type Issued, selfSigned } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';

/** What pretends to be a broker: counts who comes, and keeps what they say once TLS stands. */
class Pretender {
  port = 0;
  connections = 0;
  heard = '';
  private readonly server: Server;

  private constructor(rig: Rig, { cert, key }: Issued) {
    this.server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket: TLSSocket) => {
      socket.on('data', (chunk) => {
        this.heard += chunk.toString('latin1');
      });
    });
    this.server.on('connection', () => {
      this.connections += 1;
    });
    this.server.on('tlsClientError', () => {});
    rig.defer(() => this.server.close());
  }

  static async start(rig: Rig, shown: Issued): Promise<Pretender> {
    const pretender = new Pretender(rig, shown);
    await new Promise<void>((resolve) => pretender.server.listen(0, '127.0.0.1', resolve));
    pretender.port = (pretender.server.address() as { port: number }).port;
    return pretender;
  }
}

async function prepare(rig: Rig) {
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  rig.write('agent.token', await rig.token('--agent', 'edge-1'));
  rig.write('dial.token', await rig.token('--dial', 'edge-*'));
  return await Authority.create(rig, 'ca');
}

test('a broker with a bad certificate is told apart in one line, at one attempt, and hears no token', async () => {
  await using rig = new Rig();
  const ca = await prepare(rig);
  const other = await Authority.create(rig, 'other');
  const san = 'IP:127.0.0.1';
  const past = new Date(Date.now() - 60_000);
  for (const [shown, complaint] of [
    [await ca.issue('expired', { san, notAfter: past }), 'its certificate is not good: it has expired'],
    [
      await ca.issue('elsewhere', { san: 'DNS:other.example,IP:127.0.0.9' }),
      'its certificate is for DNS:other.example, IP Address:127.0.0.9, not for this host',
    ],
    [await ca.issue('nameless'), 'its certificate is for no name, not for this host'],
    [await selfSigned(rig, 'self', san), 'it is self-signed, and not trusted here'],
    [await other.issue('stranger', { san }), 'no authority that is trusted here has issued it'],
    [await ca.issue('client', { san, usage: 'clientAuth' }), 'it is for something else'],
  ] as const) {
    const pretender = await Pretender.start(rig, shown);
    const access = [
      ...['--broker', `wss://127.0.0.1:${pretender.port}`, '--ca', ca.cert],
      ...['--token-file', rig.path('dial.token')],
    ];
    const dial = await rig.run(rig.fairleadPath, ['dial', ...access, 'edge-1', '127.0.0.1:1']);
    expect([dial.code, dial.stderr]).toEqual([1, expect.stringContaining(complaint)]);
    expect(dial.stderr).toMatch(/^fairlead: [^\n]*\(ERR_BROKER_UNREACHABLE\): name the certificate[^\n]*\n$/);
    expect(pretender.connections).toBe(1);
    expect(pretender.heard).toBe('');
  }
});

test('an agent that does not trust its broker yet tries with back-off, and comes in once --ca is mended', async () => {
  await using rig = new Rig();
  const ca = await prepare(rig);
  const other = await Authority.create(rig, 'other');
  const { cert, key } = await ca.issue('broker', { san: 'IP:127.0.0.1' });
  const broker = rig.fairlead(
    ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret')],
    ...['--tls-cert', cert, '--tls-key', key],
  );
  const [port = 0] = await broker.ports();
  const trusted = rig.path('trusted.pem');
  copyFileSync(other.cert, trusted);
  const agent = rig.fairlead(
    ...['agent', '--broker', `wss://127.0.0.1:${port}`, '--ca', trusted, '--node', 'edge-1'],
    ...['--token-file', rig.path('agent.token'), '--allow', '127.0.0.1:*'],
  );
  const failure = /"link-down"[^\n]*no authority that is trusted here has issued it/;
  await agent.said(new RegExp(`(${failure.source}[^]*){3}`));
  // Malformed in between: what it said before stays, and the log says so.
  rig.write('trusted.pem', 'not a certificate');
  await agent.said(/"file-failed"[^\n]*this holds no certificate/);
  copyFileSync(ca.cert, trusted);
  await agent.ports();
  expect(broker.log).toMatch(/"link-open"[^\n]*"node":"edge-1"/);
});

test('what does not speak TLS, or is not there, is told apart from a bad certificate', async () => {
  await using rig = new Rig();
  const ca = await prepare(rig);
  const plain = rig.fairlead('broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret'));
  const [port = 0] = await plain.ports();
  const nodes = (url: string) =>
    rig.run(rig.fairleadPath, [
      ...['nodes', '--broker', url, '--ca', ca.cert, '--token-file', rig.path('dial.token')],
    ]);
  expect((await nodes(`wss://127.0.0.1:${port}`)).stderr).toContain('what listens there does not speak TLS');
  expect((await nodes('wss://127.0.0.1:1')).stderr).toContain('connect ECONNREFUSED');
});
