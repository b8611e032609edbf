// `fairlead keys --e2e`: makes a key and a certificate for end-to-end encryption, or tells the pin of one that is
// there. Must never print the private part, nor replace a key that is there.

import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { pinOf } from '../e2e/index.ts';
import { readText } from './credentials.ts';
import { Failure } from './failure.ts';

export interface E2eKeyRequest {
  readonly keyFile: string;
  /** How long the certificate is good, in seconds. */
  readonly ttl: number;
  readonly json: boolean;
}

export async function makeE2eKey({ keyFile, ttl, json }: E2eKeyRequest): Promise<void> {
  // Loaded where it is needed: no other command should wait for what makes certificates.
  const { makeIdentity } = await import('../e2e/make-identity.ts');
  const { pem, pin } = await makeIdentity(`fairlead ${hostname()}`.slice(0, 64), ttl);
  await writeFile(keyFile, pem, { mode: 0o600, flag: 'wx' }).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
    throw new Failure(`${keyFile} is there already, and a key is never replaced: choose another --key-file`);
  });
  print(keyFile, pem, pin, json);
}

/** Of a file that holds a certificate, with its key or without. */
export async function tellPin(file: string, json: boolean): Promise<void> {
  const pem = await readText(file);
  let pin: string;
  try {
    pin = pinOf(new X509Certificate(pem));
  } catch {
    throw new Failure(`${file} holds no certificate in PEM, so it has no pin`);
  }
  print(file, pem, pin, json);
}

function print(keyFile: string, pem: string, pin: string, json: boolean): void {
  const until = new Date(new X509Certificate(pem).validTo).toISOString().slice(0, 10);
  if (json) {
    process.stdout.write(`${JSON.stringify({ pin, keyFile, until })}\n`);
    return;
  }
  process.stdout.write(`${pin}\n`);
  // Beside the pin, not behind it: that is for scripts, too.
  process.stderr.write(
    `${keyFile}: good until ${until}, for --e2e-key; its pin, above, is for the other end's --e2e-peers\n`,
  );
}
