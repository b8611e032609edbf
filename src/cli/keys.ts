// `fairlead keys`: makes an EdDSA key to sign tokens with, and puts its public part into a JWK set for brokers; or,
// asked for it, a key for end-to-end encryption (keys-e2e.ts).
// Must never print the private part, nor replace a key that is there.

import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import * as z from 'zod';
import { makeKeyPair } from '../broker/index.ts';
import { parseDuration } from './duration.ts';
import { Failure, UsageError } from './failure.ts';
import { makeE2eKey, tellPin } from './keys-e2e.ts';

interface KeysOptions {
  readonly e2e?: boolean;
  readonly pinOf?: string;
  readonly ttl?: number;
  readonly keyFile?: string;
  readonly jwks?: string;
  readonly json?: boolean;
}

export function addKeysCommand(program: Command): void {
  program
    .command('keys')
    .description(
      'Makes an EdDSA key to sign tokens with, and adds its public part to a JWK set: the broker needs that part only. With --e2e it makes a key and a certificate for end-to-end encryption, and prints the pin that makes it known.',
    )
    .option(
      '--key-file <file>',
      'where the private key goes; must not be there yet (default: "signing-key.json"; with --e2e "e2e.pem")',
    )
    .option(
      '--jwks <file>',
      'JWK set that the public key is added to; made if it is not there (default: "jwks.json")',
    )
    .option('--e2e', 'make a P-256 key and a certificate of its own, for --e2e-key')
    .option(
      '--ttl <duration>',
      'with --e2e: how long the certificate is good (default: 3650d)',
      parseDuration,
    )
    .option('--pin-of <file>', 'make nothing: print the pin of the certificate that is in a PEM file')
    .option('--json', 'print the names as JSON')
    .addHelpText(
      'after',
      [
        '',
        'To rotate, make another key with the same --jwks, sign with the new key from then on, and take the old one',
        'out of the set when its last token has ended. A broker reads the set again when it changes.',
        '',
        'Examples:',
        '  fairlead keys',
        '  fairlead broker --auth-jwks jwks.json',
        '  fairlead token --key-file signing-key.json --agent edge-1 > edge-1.token',
        '  fairlead keys --key-file signing-key-2.json',
        '  fairlead keys --e2e --key-file edge-1.pem',
      ].join('\n'),
    )
    .action(keys);
}

async function keys(options: KeysOptions): Promise<void> {
  const { e2e = false, pinOf, ttl, keyFile, jwks, json = false } = options;
  if (pinOf !== undefined) {
    if (e2e || ttl !== undefined || keyFile !== undefined || jwks !== undefined)
      throw new UsageError('--pin-of makes no key: it goes with --json only');
    await tellPin(pinOf, json);
  } else if (e2e) {
    if (jwks !== undefined) throw new UsageError('--jwks is for keys of tokens: it does not go with --e2e');
    await makeE2eKey({ keyFile: keyFile ?? 'e2e.pem', ttl: ttl ?? defaultTtl, json });
  } else {
    if (ttl !== undefined) throw new UsageError('--ttl goes with --e2e: a key of tokens does not end');
    await makeKeys(keyFile ?? 'signing-key.json', jwks ?? 'jwks.json', json);
  }
}

/** Ten years, in seconds: a pin is taken back by whoever wrote it down, not by a date. */
const defaultTtl = 3650 * 86_400;

const setSchema = z.looseObject({ keys: z.array(z.unknown()) });

async function makeKeys(keyFile: string, jwks: string, json: boolean): Promise<void> {
  // Read first: a set that is none must not cost a key.
  const set = await readSet(jwks);
  const { kid, privateJwk, publicJwk } = await makeKeyPair();
  await writeFile(keyFile, `${JSON.stringify(privateJwk)}\n`, { mode: 0o600, flag: 'wx' }).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
    throw new Failure(`${keyFile} is there already, and a key is never replaced: choose another --key-file`);
  });
  // By rename, so that a broker that follows the set never reads half of it.
  const next = `${jwks}.${process.pid}.new`;
  const text = `${JSON.stringify({ ...set, keys: [...set.keys, publicJwk] }, undefined, 2)}\n`;
  await writeFile(next, text, { mode: 0o600, flag: 'wx' });
  await rename(next, jwks);
  process.stdout.write(
    json
      ? `${JSON.stringify({ kid, keyFile, jwks, keys: set.keys.length + 1 })}\n`
      : `${keyFile}: private key ${kid}, to sign tokens with\n${jwks}: ${set.keys.length + 1} public, for --auth-jwks\n`,
  );
}

async function readSet(file: string): Promise<z.infer<typeof setSchema>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { keys: [] };
    throw error;
  }
  try {
    return setSchema.parse(JSON.parse(text));
  } catch {
    throw new Failure(`${file} is no JWK set, so nothing can be added to it: choose another --jwks`);
  }
}
