// `fairlead keys`: makes an EdDSA key to sign tokens with, and puts its public part into a JWK set for brokers.
// Must never print the private part, nor replace a key that is there.

import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import * as z from 'zod';
import { makeKeyPair } from '../broker/index.ts';
import { Failure } from './failure.ts';

interface KeysOptions {
  readonly keyFile: string;
  readonly jwks: string;
  readonly json?: boolean;
}

export function addKeysCommand(program: Command): void {
  program
    .command('keys')
    .summary('make a key pair for tokens')
    .description(
      'Makes an EdDSA key to sign tokens with, and adds its public part to a JWK set: the broker needs that part only.',
    )
    .option('--key-file <file>', 'where the private key goes; must not be there yet', 'signing-key.json')
    .option('--jwks <file>', 'JWK set that the public key is added to; made if it is not there', 'jwks.json')
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
      ].join('\n'),
    )
    .action(makeKeys);
}

const setSchema = z.looseObject({ keys: z.array(z.unknown()) });

async function makeKeys({ keyFile, jwks, json }: KeysOptions): Promise<void> {
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
    json === true
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
