// A forward that listens at a UNIX socket: for its user alone, and gone when it ends.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { serveHttp } from '../rig/http-target.ts';
import { Network, Rig } from '../rig/rig.ts';

test('curl --unix-socket reaches a port and a socket behind a node, and the files go with the forward', async () => {
  await using rig = new Rig();
  const page = await serveHttp(rig, (_request, response) => void response.end('a page'));
  const far = rig.path('far.sock');
  const network = await Network.start(rig, '127.0.0.1:*', ['--allow', `unix:${far}`]);
  const server = createServer((_request, response) => void response.end('a socket'));
  await new Promise<void>((resolve) => server.listen(far, resolve));
  rig.defer(() => server.close());
  const [one, two] = [rig.path('one.sock'), rig.path('two.sock')];
  const specs = [`unix:${one}:edge-1:127.0.0.1:${page.port}`, `unix:${two}:edge-1:unix:${far}`];
  const curl = async (path: string) => {
    const said = await rig.run('curl', ['-sS', '--max-time', '10', '--unix-socket', path, 'http://node/']);
    return said.code === 0 ? said.stdout.toString() : said.stderr;
  };
  const killed = rig.fairlead('forward', ...network.access(), ...specs);
  await killed.said(/"msg":"ready"/);
  expect(killed.log).toContain(JSON.stringify([`unix:${one}`, `unix:${two}`]));
  await killed.kill('SIGKILL');
  expect(existsSync(one)).toBe(true);

  const forward = rig.fairlead('forward', ...network.access(), ...specs);
  await forward.said(/"msg":"ready"/);
  expect([one, two].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600]);
  expect(await Promise.all([curl(one), curl(two), curl(one)])).toEqual(['a page', 'a socket', 'a page']);

  const refused = await rig.run(rig.fairleadPath, ['forward', ...network.access(), specs[0] ?? '']);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is served by another process') });
  const file = rig.write('file', 'no socket');
  const spared = await rig.run(rig.fairleadPath, [
    ...['forward', ...network.access(), `unix:${file}:edge-1:127.0.0.1:${page.port}`],
  ]);
  expect(spared).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a socket') });
  expect(readFileSync(file, 'utf8')).toBe('no socket');
  expect(await curl(one)).toBe('a page');

  expect(await forward.kill('SIGTERM')).toBe(0);
  expect([one, two].filter((path) => existsSync(path))).toEqual([]);
});
