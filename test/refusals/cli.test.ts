// Command lines that are wrong: one line on stderr that says what to do, nothing on stdout, an exit code, and no
// secret in any of it. Runs the real `bin/fairlead`.

import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cliRows } from './cli-rows.ts';

const fairlead = fileURLToPath(new URL('../../bin/fairlead', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'fairlead-cli-refusals-'));
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const files: Readonly<Record<string, string>> = {
  secret: `${'secret-marker '.repeat(4)}\n`,
  short: 'too short',
  token: 'aaaa.bbbb.secret-marker\n',
  words: 'secret-marker and other words\n',
  pem,
  jwks: JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }),
};

beforeAll(() => {
  for (const [name, contents] of Object.entries(files))
    writeFileSync(join(directory, name), contents, { mode: 0o600 });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function run(args: readonly string[]) {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [fairlead, ...args], {
    cwd: directory,
    env: { PATH, HOME },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

describe.concurrent('refused', () => {
  test.each(cliRows)('$name', async ({ args, exit, says }) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toContain(says);
    expect(stderr).toMatch(/^fairlead: [^\n]{1,2100}\n$/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
    expect(stderr.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(stderr).not.toContain('secret-marker');
    expect(stderr).not.toContain(pem.split('\n')[1]);
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
  });
});

test('after all of them nothing was written, and a good line does what it says', async () => {
  expect(readdirSync(directory).sort()).toEqual(Object.keys(files).sort());
  const { code, stdout } = await run(['token', '--secret-file', 'secret', '--dial', '*']);
  expect({ code, parts: stdout.split('.').length }).toEqual({ code: 0, parts: 3 });
});
