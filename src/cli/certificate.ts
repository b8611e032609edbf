// Certificates that flags name: our own, and whom to trust. Says in the log what becomes of them, and never what a
// file holds.

import type { Logger } from 'pino';
import {
  type CertificateFiles,
  type CertificateMaterial,
  type FollowedCertificate,
  followCertificate,
  parseAuthorities,
  readCertificate,
  watchCertificate,
} from '../files/followed-certificate.ts';
import { readParsed } from '../files/followed-file.ts';
import { FairleadError } from '../protocol/errors.ts';
import { warnIfWorldReadable } from './credentials.ts';
import { Failure } from './failure.ts';

/** @throws Failure where the files cannot be used; the system's error where one cannot be read */
export async function openCertificate(files: CertificateFiles, log: Logger): Promise<FollowedCertificate> {
  const followed = await followCertificate(files, (error) => logKept(files.cert, error, log)).catch(
    asFailure,
  );
  await warnIfWorldReadable(files.key, log);
  warnIfExpired(followed.value(), files, log);
  followed.onChanged((material) => {
    const expires = new Date(material.expiresAt).toISOString();
    log.info({ event: 'certificate-loaded', path: files.cert, expires }, 'certificate read again');
    warnIfExpired(material, files, log);
  });
  return followed;
}

/** A client's certificate: read for each link, and told of when it has changed. Keeps nothing open. */
export async function clientCertificate(files: CertificateFiles, log: Logger) {
  const certificate = await keptReading(() => readCertificate(files), files.cert, log);
  await warnIfWorldReadable(files.key, log);
  warnIfExpired(await certificate(), files, log);
  return {
    certificate,
    onCertificateChange: (listener: () => void) => watchCertificate(files, listener),
  };
}

/** PEM of the certificates to trust: read for each link. */
export async function trustedAuthorities(file: string, log: Logger): Promise<() => Promise<string>> {
  return await keptReading(async () => (await readParsed(file, parseAuthorities)).join(''), file, log);
}

/**
 * A reader that answers what was good before, where what is there now is not.
 *
 * @throws Failure where it is not good now; the system's error where it cannot be read
 */
async function keptReading<T>(read: () => Promise<T>, file: string, log: Logger): Promise<() => Promise<T>> {
  let good = await read().catch(asFailure);
  return async () => {
    try {
      good = await read();
    } catch (error) {
      logKept(file, error, log);
    }
    return good;
  };
}

function logKept(path: string, error: unknown, log: Logger): void {
  const why = error instanceof Error ? error.message : String(error);
  log.warn(
    { event: 'file-failed', path, error: why },
    'a certificate cannot be used: the one before it stays in use',
  );
}

function asFailure(error: unknown): never {
  throw error instanceof FairleadError ? new Failure(error.message) : error;
}

function warnIfExpired({ expiresAt }: CertificateMaterial, { cert }: CertificateFiles, log: Logger): void {
  if (expiresAt > Date.now()) return;
  const expired = new Date(expiresAt).toISOString();
  log.warn(
    { event: 'certificate-expired', path: cert, expired },
    'this certificate has expired: nobody takes it',
  );
}
