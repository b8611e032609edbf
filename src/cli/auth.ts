// The flags that say whose tokens a broker takes, for `broker` and for those who ask what it would say.

import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { AuthSources } from '../broker/index.ts';
import { readSecret } from './credentials.ts';
import { UsageError } from './failure.ts';

export interface AuthOptions {
  readonly authSecretFile?: string;
  readonly authKey?: string[];
  readonly authJwks?: string[];
  readonly authConfig?: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly proxy?: string;
}

export function addAuthOptions(command: Command): Command {
  return command
    .option('--auth-secret-file <file>', 'secret that tokens are signed with (HS256), at least 32 bytes')
    .option(
      '--auth-key <file>',
      'public key of tokens: PEM or JWK, for EdDSA, ES256 or RS256; repeatable',
      more,
    )
    .option('--auth-jwks <place>', 'JWK set with public keys: a file, or an https:// URL; repeatable', more)
    .option(
      '--auth-config <file>',
      'JSON list of issuers, each with its keys, claims and grants, and of what certificates grant',
    )
    .option('--issuer <name>', 'with these, but --auth-config: take only tokens that name this issuer')
    .option('--audience <name>', 'likewise: take only tokens that name this audience')
    .option(
      '--proxy <url>',
      'HTTP proxy that JWK sets are fetched through, or "none" (or HTTPS_PROXY, ALL_PROXY, NO_PROXY)',
    );
}

/** Not `<file...>`: that would take an argument after it for one more file. */
function more(value: string, before: string[] = []): string[] {
  return [...before, value];
}

export function hasAuth(options: AuthOptions): boolean {
  const { authSecretFile, authKey, authJwks, authConfig } = options;
  return [authSecretFile, authKey, authJwks, authConfig].some((given) => given !== undefined);
}

/** Says at once what is wrong with a secret file, in words that help. @throws UsageError where no key is given */
export async function authSources(options: AuthOptions, log: Logger): Promise<AuthSources> {
  if (!hasAuth(options))
    throw new UsageError(
      'no key to check tokens with: add --auth-secret-file, --auth-key, --auth-jwks or --auth-config',
    );
  const { authSecretFile, authKey, authJwks, authConfig, issuer, audience } = options;
  if (authSecretFile !== undefined) await readSecret(authSecretFile, log);
  return {
    secretFile: authSecretFile,
    keyFiles: authKey,
    jwks: authJwks,
    configFile: authConfig,
    issuer,
    audience,
    proxy: options.proxy === 'none' ? '' : options.proxy,
  };
}
