// The broker's own TLS: real processes over wss://, and a certificate that changes while streams are open.

import { renameSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Authority, certificateIn, type Issued, shownCertificate } from '../rig/certificates.ts';
import { type Program, Rig } from '../rig/rig.ts';
import { connectTo, listen, readPattern, writePatternWhile } from '../rig/targets.ts';

const names = 'DNS:broker.test,IP:127.0.0.1';

/** As rotation tools do: never half a file. */
function replace(rig: Rig, from: string, to: string): void {
  renameSync(from, rig.path('next'));
  renameSync(rig.path('next'), to);
}

async function startTls(rig: Rig, { cert, key }: Issued, ca: Authority) {
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  rig.write('agent.token', await rig.token('--agent', 'edge-1'));
  rig.write('dial.token', await rig.token('--dial', 'edge-*'));
  const broker = rig.fairlead(
    ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret')],
    ...['--tls-cert', cert, '--tls-key', key],
  );
  const [port = 0] = await broker.ports();
  const access = ['--broker', `wss://127.0.0.1:${port}`, '--ca', ca.cert];
  const agent = rig.fairlead(
    ...['agent', ...access, '--node', 'edge-1', '--token-file', rig.path('agent.token')],
    ...['--allow', '127.0.0.1:*'],
  );
  await agent.ports();
  return { broker, agent, port, access: [...access, '--token-file', rig.path('dial.token')] };
}

async function forwardTo(rig: Rig, access: readonly string[], target: number): Promise<number> {
  const program: Program = rig.fairlead('forward', ...access, `0:edge-1:127.0.0.1:${target}`);
  const [port = 0] = await program.ports();
  return port;
}

test('a certificate is replaced under a live stream: new handshakes see it, and no byte is lost', async () => {
  await using rig = new Rig();
  const ca = await Authority.create(rig, 'ca');
  const first = await ca.issue('first', { san: names });
  const second = await ca.issue('second', { san: names });
  const { broker, agent, port, access } = await startTls(rig, first, ca);
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const socket = connectTo(await forwardTo(rig, access, echo));
  const read = readPattern(socket);
  const before = certificateIn(first.cert);
  expect(await shownCertificate(rig, port)).toBe(before);

  let isRotating = true;
  const wrote = writePatternWhile(socket, () => isRotating);
  const after = certificateIn(second.cert);
  // One after the other, as two renames are: between them the two do not belong together.
  replace(rig, second.cert, first.cert);
  replace(rig, second.key, first.key);
  await broker.said(/"certificate-loaded"/);
  expect(after).not.toBe(before);
  expect(await shownCertificate(rig, port)).toBe(after);
  isRotating = false;
  expect(await read).toBe(await wrote);
  expect(broker.log).not.toContain('"link-closed"');

  // A peer that comes only now shakes hands with the new certificate.
  const late = await rig.run(rig.fairleadPath, ['nodes', '--json', ...access]);
  expect(JSON.parse(late.stdout.toString())).toMatchObject({ nodes: [{ node: 'edge-1' }] });
  expect(agent.log).not.toContain('"link-down"');
});

test('a replacement that cannot be used changes nothing, and the log says what is wrong with it', async () => {
  await using rig = new Rig();
  const ca = await Authority.create(rig, 'ca');
  const first = await ca.issue('first', { san: names });
  const { broker, port } = await startTls(rig, first, ca);
  const before = certificateIn(first.cert);
  const other = await ca.issue('other', { san: names });
  for (const [content, complaint] of [
    ['not PEM', 'this holds no certificate in PEM'],
    [before.slice(0, 300), 'a certificate in it is cut short'],
    [before.replace(/\n[A-Za-z0-9+/]{64}\n/, '\n'), 'certificate 1 in it is malformed'],
    [certificateIn(other.cert), 'do not belong together'],
    ['', 'this holds no certificate in PEM'],
  ] as const) {
    broker.log = '';
    rig.write('broken', content);
    replace(rig, rig.path('broken'), first.cert);
    await broker.said(new RegExp(`"file-failed"[^\n]*${complaint}`));
    expect(await shownCertificate(rig, port)).toBe(before);
  }
  // Mended, and with its key: that counts.
  replace(rig, other.key, first.key);
  replace(rig, other.cert, first.cert);
  await broker.said(/"certificate-loaded"/);
  expect(await shownCertificate(rig, port)).toBe(certificateIn(first.cert));
  expect(broker.log).not.toContain('PRIVATE KEY');
});

test('a broker speaks TLS 1.2 at least, and does not renegotiate', async () => {
  await using rig = new Rig();
  const ca = await Authority.create(rig, 'ca');
  const { port } = await startTls(rig, await ca.issue('first', { san: names }), ca);
  const client = (...args: string[]) =>
    rig.run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', ca.cert, ...args]);
  const old = await client('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0');
  expect(old.code).not.toBe(0);
  expect(old.stderr).toMatch(/alert protocol version/);
  expect((await client('-tls1_2')).stdout.toString()).toContain('Verify return code: 0 (ok)');
  // "R" alone on a line asks for a renegotiation, where s_client may read commands.
  const asked = await rig.run(
    'openssl',
    ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', ca.cert, '-tls1_2'],
    'R\n',
  );
  expect(asked.stdout.toString() + asked.stderr).toContain('RENEGOTIATING');
  expect(asked.stderr).toMatch(/no renegotiation/);
});

test('a broker does not start with a certificate and key that cannot be used, and says why', async () => {
  await using rig = new Rig();
  const ca = await Authority.create(rig, 'ca');
  const [one, two] = [await ca.issue('one'), await ca.issue('two')];
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  rig.write('garbage', 'garbage');
  await rig.run('openssl', [
    ...['pkey', '-aes256', '-passout', 'pass:x', '-in', one.key, '-out', rig.path('encrypted')],
  ]);
  for (const [cert, key, complaint] of [
    [one.cert, two.key, 'do not belong together'],
    [rig.path('garbage'), one.key, 'holds no certificate'],
    [one.cert, rig.path('garbage'), 'holds no private key'],
    [one.cert, rig.path('encrypted'), 'is encrypted'],
    [one.cert, rig.path('absent'), 'there is no file'],
    [rig.directory, one.key, 'is a directory'],
  ] as const) {
    const { code, stderr } = await rig.run(rig.fairleadPath, [
      ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret')],
      ...['--tls-cert', cert, '--tls-key', key],
    ]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(complaint)]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  }
});
