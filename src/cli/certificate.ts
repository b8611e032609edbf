// Certificates of our own that flags name, followed, and what the log says of them. Never what a file holds.

import type { Logger } from 'pino';
import {
  type CertificateFiles,
  type CertificateMaterial,
  type FollowedCertificate,
  followCertificate,
} from '../files/followed-certificate.ts';
import { FairleadError } from '../protocol/errors.ts';
import { warnIfWorldReadable } from './credentials.ts';
import { Failure } from './failure.ts';

/** @throws Failure where the files cannot be used; the system's error where one cannot be read */
export async function openCertificate(files: CertificateFiles, log: Logger): Promise<FollowedCertificate> {
  const followed = await followCertificate(files, (error) =>
    log.warn(
      {
        event: 'file-failed',
        path: files.cert,
        error: error instanceof Error ? error.message : String(error),
      },
      'a certificate cannot be used: the one before it stays in use',
    ),
  ).catch((error: unknown) => {
    throw error instanceof FairleadError ? new Failure(error.message) : error;
  });
  await warnIfWorldReadable(files.key, log);
  warnIfExpired(followed.value(), files, log);
  followed.onChanged((material) => {
    const expires = new Date(material.expiresAt).toISOString();
    log.info({ event: 'certificate-loaded', path: files.cert, expires }, 'certificate read again');
    warnIfExpired(material, files, log);
  });
  return followed;
}

function warnIfExpired({ expiresAt }: CertificateMaterial, { cert }: CertificateFiles, log: Logger): void {
  if (expiresAt > Date.now()) return;
  const expired = new Date(expiresAt).toISOString();
  log.warn(
    { event: 'certificate-expired', path: cert, expired },
    'this certificate has expired: nobody takes it',
  );
}
