// Files that cannot be used, each written to disk and opened as a broker opens it. None is taken in part, and what is
// wrong is said without quoting a secret; good files of each kind are taken after all of them.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { followDenyFile, mintToken, openAuth } from '../../src/broker/index.ts';
import { type ConfigKind, configRows } from './config-rows.ts';

const directory = mkdtempSync(join(tmpdir(), 'fairlead-refusals-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const silent = { info() {}, warn() {}, error() {} };
/** What stands in every secret of the tables. */
const marker = /secret-marker|c2VjcmV0LW1hcmtlcg/;

const path = join(directory, 'file');
/** Opens the file as what it is said to be, and lets go of it. */
const openAs: Readonly<Record<ConfigKind, (text: string) => Promise<unknown>>> = {
  issuers: async () => (await openAuth({ configFile: path }, silent)).close(),
  keys: async () => (await openAuth({ keyFiles: [path] }, silent)).close(),
  secret: async () => (await openAuth({ secretFile: path }, silent)).close(),
  deny: async () => (await followDenyFile(path, silent)).close(),
  'signing-key': (text) => mintToken({ key: text, agent: 'edge-1' }),
};

async function open(kind: ConfigKind, text: string): Promise<void> {
  writeFileSync(path, text);
  await openAs[kind](text);
}

describe.each(Object.keys(openAs) as ConfigKind[])('%s', (kind) => {
  test.each(configRows.filter((row) => row.kind === kind))('$name', async ({ text, says }) => {
    const error = await open(kind, text).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'FairleadError', code: 'ERR_CONFIG' });
    const { message } = error as Error;
    expect(message).toContain(says);
    if (kind !== 'signing-key') expect(message).toContain(path);
    expect(message).not.toMatch(marker);
    expect(message.length).toBeLessThan(500);
  });
});

test('after all of them a good file of each kind is taken', async () => {
  const secret = 'a secret of the refusals, long enough for HS256\n';
  writeFileSync(join(directory, 'secret'), secret);
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  await open('issuers', '{"issuers":[{"secretFile":"secret"}]}');
  await open('keys', JSON.stringify(publicKey.export({ format: 'jwk' })));
  await open('secret', secret);
  await open('deny', 'sub mallory\n');
  await open('signing-key', JSON.stringify(privateKey.export({ format: 'jwk' })));
});
