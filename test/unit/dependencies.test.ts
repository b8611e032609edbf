// What is shipped besides our own code: every package is held by its hash, and one with a known fault fails the audit.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as {
  packages: Record<string, { version?: string; integrity?: string; resolved?: string; link?: boolean }>;
};

test('every package of the lock file is held by a SHA-512, and comes from a registry over https', () => {
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
  expect(packages.length).toBeGreaterThan(50);
  for (const [path, { integrity, resolved, link }] of packages) {
    expect({ path, integrity, link }).toEqual({
      path,
      integrity: expect.stringMatching(/^sha512-/),
      link: undefined,
    });
    if (resolved !== undefined) expect(resolved).toMatch(/^https:\/\//);
  }
});

/** Runs the audit against a registry that knows `advisories`. */
async function audit(advisories: object | undefined) {
  await using rig = new Rig();
  const version = lock.packages['node_modules/ws']?.version ?? '';
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST' && advisories !== undefined) response.end(JSON.stringify(advisories));
    else if (request.url === '/ws')
      response.end(JSON.stringify({ name: 'ws', versions: { [version]: { name: 'ws', version } } }));
    else response.writeHead(405).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => server.close());
  const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const args = [
    `${root}dist/scripts/audit.js`,
    '--registry',
    registry,
    '--fetch-retries',
    '0',
    '--cache',
    rig.path('cache'),
  ];
  return await rig.run(process.execPath, args, '', { cwd: root });
}

const advisory = (severity: string) => ({
  ws: [{ id: 1, url: 'https://advisories.example/1', title: 'a fault', severity, vulnerable_versions: '*' }],
});

test('a fault that is high fails the audit, and is named', async () => {
  const { code, stderr } = await audit(advisory('high'));
  expect(code).toBe(1);
  expect(stderr).toContain('1 high in what is shipped');
  expect(stderr).toContain('https://advisories.example/1');
});

test.each([
  ['no fault', {}],
  ['a fault that is low', advisory('low')],
])('%s does not fail it', async (_, advisories) => {
  const { code, stdout } = await audit(advisories);
  expect(stdout.toString()).toContain('nothing high or critical');
  expect(code).toBe(0);
});

test('a registry that does not answer is no finding, and it says that nothing was checked', async () => {
  const { code, stdout } = await audit(undefined);
  expect(stdout.toString()).toContain('NOT CHECKED');
  expect(code).toBe(0);
});
