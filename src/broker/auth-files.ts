// Where a broker on Node has its issuers from: key files, which are followed, JWKS URLs, and the configuration file
// that lists them. Never logs what a file holds.

import { dirname, resolve } from 'node:path';
import { followFile } from '../files/followed-file.ts';
import { FairleadError } from '../protocol/errors.ts';
import { type BrokerLog, bounded } from './broker-log.ts';
import { type IdentifyCertificate, identifyByRules } from './identity-certificate.ts';
import { type AuthConfig, type IssuerConfig, parseAuthConfig } from './identity-config.ts';
import { parseDenyList, Revocations } from './identity-deny.ts';
import { RemoteKeys } from './identity-jwks.ts';
import { type KeySource, type PinnedKey, publicKeys, secretKey } from './identity-keys.ts';
import { grantByRules } from './identity-mapping.ts';
import type { Issuer } from './identity-verifier.ts';
import { jwksRequest } from './jwks-request.ts';

export interface AuthSources {
  /** Each of these is one issuer. */
  readonly secretFile?: string | undefined;
  readonly keyFiles?: readonly string[] | undefined;
  /** Files or URLs. */
  readonly jwks?: readonly string[] | undefined;
  /** Claims that tokens of those issuers must have; a configuration says so for each of its own. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** A list of issuers more, and what certificates grant: see identity-config.ts. Names of files are seen from where it is. */
  readonly configFile?: string | undefined;
  /** HTTP proxy that JWK sets are fetched through; default: what the environment names. */
  readonly proxy?: string | undefined;
}

/**
 * The deny list in a file, followed. One that is gone or malformed leaves the last good one in force.
 *
 * @throws FairleadError ERR_CONFIG where it is malformed now; Node's own error where it cannot be read
 */
export async function followDenyFile(
  path: string,
  log: BrokerLog,
): Promise<{ readonly revocations: Revocations; close(): void }> {
  let revocations: Revocations | undefined;
  const file = await followFile(path, {
    parse: parseDenyList,
    changed(list) {
      const { jti, sub, node } = list;
      const entries = jti.size + sub.size + node.size;
      log.info({ event: 'deny-list-loaded', path, entries }, 'deny list read again');
      revocations?.replace(list);
    },
    failed: (_, error) => logKept(log, path, error),
  });
  revocations = new Revocations(file.value());
  return { revocations, close: file.close };
}

export interface Auth {
  readonly issuers: readonly Issuer[];
  /** Who client certificates are for; undefined where they are for nobody. */
  readonly identify: IdentifyCertificate | undefined;
  /** Stops following the files. */
  close(): void;
}

/**
 * @throws FairleadError ERR_CONFIG where a file cannot be used, or there is no issuer; Node's own error where one
 *   cannot be read
 */
export async function openAuth(sources: AuthSources, log: BrokerLog): Promise<Auth> {
  const open: { close(): void }[] = [];
  const close = () => {
    for (const one of open.splice(0)) one.close();
  };
  try {
    const issuers: Issuer[] = [];
    const { issuers: configs, certificates } = await configOf(sources);
    for (const config of configs) {
      const { keys, file } = await keySource(config, sources.proxy, log);
      if (file !== undefined) open.push(file);
      const { issuer, audience, leewaySeconds, prefix, grants } = config;
      const grantOf = grants === undefined ? undefined : grantByRules(grants);
      issuers.push({ keys, issuer, audience, leewaySeconds, prefix, grantOf });
    }
    if (issuers.length === 0 && certificates === undefined)
      throw new FairleadError('ERR_CONFIG', 'there is no key to check tokens with');
    return { issuers, identify: certificates && identifyByRules(certificates), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function configOf(sources: AuthSources): Promise<AuthConfig> {
  const { secretFile, keyFiles = [], jwks = [], issuer, audience, configFile } = sources;
  const claims = { issuer, audience };
  const configs: IssuerConfig[] = [];
  if (secretFile !== undefined) configs.push({ secretFile, ...claims });
  for (const keyFile of keyFiles) configs.push({ keyFile, ...claims });
  for (const place of jwks)
    configs.push(
      /^https?:\/\//i.test(place) ? { jwksUrl: place, ...claims } : { jwksFile: place, ...claims },
    );
  if (configFile === undefined) return { issuers: configs, certificates: undefined };
  const file = await followFile(configFile, { parse: parseAuthConfig, failed() {} });
  file.close();
  const from = dirname(configFile);
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(from, path));
  const { issuers, certificates } = file.value();
  for (const config of issuers)
    configs.push({
      ...config,
      secretFile: at(config.secretFile),
      keyFile: at(config.keyFile),
      jwksFile: at(config.jwksFile),
      jwksCaFile: at(config.jwksCaFile),
      jwksTokenFile: at(config.jwksTokenFile),
    });
  return { issuers: configs, certificates };
}

async function keySource(
  config: IssuerConfig,
  proxy: string | undefined,
  log: BrokerLog,
): Promise<{ keys: KeySource; file?: { close(): void } }> {
  const { secretFile, jwksUrl, algorithms } = config;
  if (jwksUrl !== undefined) {
    const { jwksCaFile: caFile, jwksTokenFile: tokenFile } = config;
    const fetch = jwksRequest({ caFile, tokenFile, proxy });
    return { keys: new RemoteKeys({ url: jwksUrl, algorithms, log, fetch }) };
  }
  const path = secretFile ?? config.keyFile ?? config.jwksFile ?? '';
  const file = await followFile(path, {
    parse: secretFile === undefined ? (text) => publicKeys(text, algorithms) : secretKeys,
    changed: (keys) => log.info({ event: 'keys-loaded', path, keys: keys.length }, 'keys read again'),
    failed: (_, error) => logKept(log, path, error),
  });
  return { keys: { find: async () => file.value() }, file };
}

function secretKeys(text: string): readonly PinnedKey[] {
  return [secretKey(text)];
}

/** A file that was changed and cannot be used: what was read of it before stays in use. */
function logKept(log: BrokerLog, path: string, error: unknown): void {
  const why = bounded(error instanceof Error ? error.message : String(error));
  log.warn(
    { event: 'file-failed', path, error: why },
    'a file cannot be used: what it said before stays in use',
  );
}
