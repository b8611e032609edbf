import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { expect, test } from 'vitest';
import { Network, Rig } from '../rig/rig.ts';

async function certificates(rig: Rig): Promise<void> {
  rig.write('san', 'subjectAltName=DNS:node.internal\n');
  const at = (name: string) => rig.path(name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const args of [
    [
      'req',
      '-x509',
      ...key,
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.pem'),
      '-days',
      '2',
      '-subj',
      '/CN=test CA',
    ],
    [
      'req',
      '-x509',
      ...key,
      '-keyout',
      at('other.key'),
      '-out',
      at('other.pem'),
      '-days',
      '2',
      '-subj',
      '/CN=other CA',
    ],
    ['req', ...key, '-keyout', at('tls.key'), '-out', at('tls.csr'), '-subj', '/CN=node.internal'],
    [
      'x509',
      '-req',
      '-in',
      at('tls.csr'),
      '-CA',
      at('ca.pem'),
      '-CAkey',
      at('ca.key'),
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      at('san'),
      '-out',
      at('tls.pem'),
    ],
  ]) {
    const { code, stderr } = await rig.run('openssl', args);
    if (code !== 0) throw new Error(stderr);
  }
}

test('curl reaches an HTTPS server on the node and verifies its certificate', async () => {
  await using rig = new Rig();
  await certificates(rig);
  const tls = { key: readFileSync(rig.path('tls.key')), cert: readFileSync(rig.path('tls.pem')) };
  const body = 'x'.repeat(5_000_000);
  const server = createServer(tls, (request, response) => {
    if (request.method !== 'PUT') {
      response.end(body);
      return;
    }
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.end(String(bytes)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => server.close());
  const network = await Network.start(rig);
  const port = await network.forward((server.address() as { port: number }).port);
  const url = `https://node.internal:${port}/`;
  const to = ['-sS', '--max-time', '50', '--resolve', `node.internal:${port}:127.0.0.1`];

  const got = await rig.run('curl', [...to, '--cacert', rig.path('ca.pem'), url]);
  expect(got.stderr).toBe('');
  expect(got.stdout.toString() === body).toBe(true);

  const put = await rig.run(
    'curl',
    [...to, '--cacert', rig.path('ca.pem'), '-T', '-', url],
    Buffer.alloc(7_000_000),
  );
  expect(put.stdout.toString()).toBe('7000000');

  // It is the server's own certificate that is verified: under another CA there is no connection.
  const refused = await rig.run('curl', [...to, '--cacert', rig.path('other.pem'), url]);
  expect(refused.code).toBe(60);
});
