// How targets prove themselves to the gateway, and the gateway to them, from files that are followed. Must never give
// the gateway's token to a target whose certificate was not checked against the authorities that were named for it.

import {
  type FollowedCertificate,
  followCertificate,
  parseAuthorities,
} from '../../files/followed-certificate.ts';
import { type FollowedFile, followFile } from '../../files/followed-file.ts';
import { FairleadError } from '../../protocol/errors.ts';

export interface TargetCredentialFiles {
  /** PEM of the authorities of `https:` targets. Default: the system's. */
  readonly ca?: string | undefined;
  /** PEM, for targets that ask for a client certificate; with `key`. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** One bearer token, for `https:` targets; with `ca`. */
  readonly tokenFile?: string | undefined;
  /** Takes any certificate of any target: whoever is between agent and target can read and change all. Default false. */
  readonly insecure?: boolean | undefined;
}

export interface TargetCredentials {
  readonly ca: readonly string[] | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly token: string | undefined;
  readonly verifies: boolean;
  /** Differs after each change: connections of another generation were made with other credentials. */
  readonly generation: number;
}

export interface FollowedCredentials {
  current(): TargetCredentials;
  close(): void;
}

/**
 * @param failed hears of changes that cannot be used; what was good before them stays
 * @throws FairleadError ERR_CONFIG where files are malformed, and as {@link checkTargetFiles}; Node's own where one
 *   cannot be read
 */
export async function followTargetCredentials(
  files: TargetCredentialFiles,
  failed: (error: unknown) => void,
): Promise<FollowedCredentials> {
  checkTargetFiles(files);
  const open: { close(): void }[] = [];
  let generation = 0;
  const changed = () => {
    generation += 1;
  };
  const follow = async <T>(path: string | undefined, parse: (text: string) => T) => {
    if (path === undefined) return undefined;
    const file = await followFile(path, { parse, changed, failed: (_path, error) => failed(error) });
    open.push(file);
    return file;
  };
  const close = () => {
    for (const file of open) file.close();
  };
  let ca: FollowedFile<readonly string[]> | undefined;
  let token: FollowedFile<string> | undefined;
  let pair: FollowedCertificate | undefined;
  try {
    ca = await follow(files.ca, parseAuthorities);
    token = await follow(files.tokenFile, parseToken);
    if (files.cert !== undefined && files.key !== undefined) {
      pair = await followCertificate({ cert: files.cert, key: files.key }, failed);
      pair.onChanged(changed);
      open.push(pair);
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    current: () => ({
      ca: ca?.value(),
      cert: pair?.value().cert,
      key: pair?.value().key,
      token: token?.value(),
      verifies: files.insecure !== true,
      generation,
    }),
    close,
  };
}

/** @throws FairleadError ERR_CONFIG where they do not go together; names them as the command line does */
export function checkTargetFiles({ ca, cert, key, tokenFile, insecure }: TargetCredentialFiles): void {
  if ((cert === undefined) !== (key === undefined))
    throw new FairleadError('ERR_CONFIG', '--target-cert and --target-key go together: give both');
  if (insecure === true && ca !== undefined)
    throw new FairleadError(
      'ERR_CONFIG',
      '--target-insecure checks no certificate, --target-ca says how: give one',
    );
  // Any host that a client may name could have a certificate of the system's roots, and would be sent the token.
  if (tokenFile !== undefined && ca === undefined)
    throw new FairleadError(
      'ERR_CONFIG',
      '--target-token-file needs --target-ca: the token goes only to targets whose certificate that authority signed',
    );
}

/** What may stand in a header, in one line (RFC 6750 §2.1). */
function parseToken(text: string): string {
  const token = text.trim();
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(token))
    throw new FairleadError('ERR_CONFIG', 'this holds no bearer token: it should be one line without spaces');
  return token;
}
