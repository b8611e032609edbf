// Which broker, with which token or certificate: flags first, then the environment. Never puts a token or a secret into a
// message: what is wrong with one is said without showing it.

import { readFile, stat } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { CertificateFiles } from '../files/followed-certificate.ts';
import { watchPath } from '../files/followed-file.ts';
import type { BrokerAccess } from '../link/broker-access.ts';
import { clientCertificate, trustedAuthorities } from './certificate.ts';
import { Failure, UsageError } from './failure.ts';
import { addProxyOptions, proxyAccess } from './proxy-options.ts';

export interface BrokerOptions {
  readonly broker?: string;
  readonly tokenFile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly brokerProxy?: string;
  readonly proxyAuthFile?: string;
  readonly proxyCa?: string;
}

export function addConfigOption(command: Command): Command {
  return command.option(
    '--config <file>',
    'YAML file of flags: "KEY: VALUE" with the names of these (docs/configuration.md)',
  );
}

/** `proxyFlag` for the command whose `--proxy` is something else. */
export function addBrokerOptions(command: Command, proxyFlag = '--proxy'): Command {
  addConfigOption(command)
    .option('--broker <url>', 'where the broker is: wss://HOST[:PORT] (or FAIRLEAD_BROKER)')
    .option('--token-file <file>', 'file that holds the token (or FAIRLEAD_TOKEN_FILE, or FAIRLEAD_TOKEN)')
    .option('--cert <file>', 'PEM certificate to show the broker, with --key; then a token is not needed')
    .option('--key <file>', 'PEM private key of --cert')
    .option('--ca <file>', "PEM file of certificates to trust instead of the system's (or SSL_CERT_FILE)")
    .option('--insecure', 'allow ws:// to a broker that is not on this machine: anyone between can read all');
  return addProxyOptions(command, proxyFlag);
}

/** Everything that can be wrong before the network is asked, found at once. */
export async function brokerAccess(options: BrokerOptions, log: Logger): Promise<BrokerAccess> {
  const url = brokerUrl(options);
  const files = certificateFiles(options);
  const token = tokenSource(options);
  if (token === undefined && files === undefined)
    throw new UsageError(
      'no token given: add --token-file FILE or set FAIRLEAD_TOKEN_FILE or FAIRLEAD_TOKEN, or show a certificate with --cert and --key',
    );
  await token?.();
  const tokenFile = tokenFileOf(options);
  if (tokenFile !== undefined) await warnIfWorldReadable(tokenFile, log);
  const ca = authoritiesFile(options);
  const { insecure = false } = options;
  return {
    url,
    insecure,
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { onTokenChange: (listener) => watchPath(tokenFile, listener) }),
    ...(files === undefined ? {} : await clientCertificate(files, log)),
    ...(ca === undefined ? {} : { ca: await trustedAuthorities(ca, log) }),
    ...(await proxyAccess(options, new URL(url), log)),
  };
}

/** @throws UsageError where none is given, or what is given is none */
export function brokerUrl(options: BrokerOptions): string {
  const url = options.broker ?? process.env.FAIRLEAD_BROKER;
  if (url === undefined || url === '')
    throw new UsageError('no broker given: add --broker URL or set FAIRLEAD_BROKER');
  checkBrokerUrl(url);
  return url;
}

/** Whom to trust instead of the system's roots: as curl and OpenSSL have it, SSL_CERT_FILE stands in for the flag. */
export function authoritiesFile({ ca }: BrokerOptions): string | undefined {
  return ca ?? (process.env.SSL_CERT_FILE || undefined);
}

export function certificateFiles({ cert, key }: BrokerOptions): CertificateFiles | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  throw new UsageError('--cert and --key go together: give both or neither');
}

const leastSecretBytes = 32;

/** A secret file as it is: the newline that editors leave is the reader's to drop. */
export async function readSecret(file: string, log: Logger): Promise<string> {
  let secret: string;
  try {
    secret = await readText(file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new Failure(
      `there is no secret file ${file}: make one with "(umask 077; head -c 32 /dev/urandom | base64 > ${file})"`,
    );
  }
  // RFC 7518 §3.2: an HS256 key is at least as long as the hash.
  if (Buffer.byteLength(secret.trimEnd()) < leastSecretBytes)
    throw new Failure(
      `${file} holds less than ${leastSecretBytes} bytes, too few for a secret: "head -c 32 /dev/urandom | base64" makes one`,
    );
  await warnIfWorldReadable(file, log);
  return secret;
}

/** A private key's file as it is. */
export async function readPrivate(file: string, log: Logger): Promise<string> {
  const text = await readText(file);
  await warnIfWorldReadable(file, log);
  return text;
}

export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    // Reading a directory, for one, fails without saying which.
    throw error instanceof Error ? Object.assign(error, { path: file }) : error;
  }
}

function tokenFileOf(options: BrokerOptions): string | undefined {
  return options.tokenFile ?? (process.env.FAIRLEAD_TOKEN_FILE || undefined);
}

/** Read again for every link and before the token ends, so that one that was replaced on disk is used. */
export function tokenSource(options: BrokerOptions): (() => Promise<string>) | undefined {
  const file = tokenFileOf(options);
  if (file !== undefined)
    return async () => checkToken(await readText(file), `${file} does not hold a token`);
  const token = process.env.FAIRLEAD_TOKEN;
  if (token === undefined || token === '') return undefined;
  return async () => checkToken(token, 'FAIRLEAD_TOKEN is not a token');
}

/** Only the shape: whether it is good is the broker's to say. It must at least fit into a header. */
function checkToken(text: string, complaint: string): string {
  const token = text.trim();
  if (!/^[\w-]+(\.[\w-]+){2}$/.test(token))
    throw new Failure(`${complaint}: it should be one line as printed by "fairlead token"`);
  return token;
}

function checkBrokerUrl(text: string): void {
  const example = 'such as wss://broker.example.com or ws://127.0.0.1:8080';
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`"${text}" is not a broker URL: write --broker with one ${example}`);
  }
  if (!['ws:', 'wss:', 'http:', 'https:'].includes(url.protocol) || url.hostname === '')
    throw new UsageError(`"${text}" is not a broker URL: write --broker with one ${example}`);
  if (url.username !== '' || url.password !== '')
    throw new UsageError('a broker URL holds no user or password: the token goes into --token-file');
}

export async function warnIfWorldReadable(file: string, log: Logger): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o004) !== 0)
    log.warn(
      { event: 'file-exposed', path: file },
      `every user of this machine can read this file: chmod 600 ${file}`,
    );
}
