// Who somebody is end to end: a private key with its certificate, known to others by the pin of the public key.
// Must never put a private key into an error.

import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { FairleadError } from '../protocol/errors.ts';

export interface Identity {
  /** The key and the certificate, with those that vouch for it, as they came. */
  readonly pem: string;
  readonly pin: string;
}

/** `sha256:` and the base64url of the SHA-256 of the public key (SubjectPublicKeyInfo, RFC 7469 §2.4). */
export function pinOf(certificate: X509Certificate): string {
  let pin = pins.get(certificate);
  if (pin === undefined) {
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    pin = `sha256:${createHash('sha256').update(spki).digest('base64url')}`;
    pins.set(certificate, pin);
  }
  return pin;
}

/** Each is asked for more than once in a stream's life, and takes as long as the rest of a verification. */
const pins = new WeakMap<X509Certificate, string>();

/**
 * PEM of one private key, unencrypted, and its certificate; any that vouch for that one after it.
 *
 * @throws FairleadError ERR_CONFIG that says what is lacking, and shows none of it
 */
export function parseIdentity(pem: string): Identity {
  const certificate = readCertificate(pem);
  const key = readKey(pem);
  if (!certificate.checkPrivateKey(key)) throw wrong('its key is not that of its (first) certificate');
  return { pem, pin: pinOf(certificate) };
}

function readCertificate(pem: string): X509Certificate {
  const [first] = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/) ?? [];
  if (first === undefined) throw wrong('it holds no certificate');
  try {
    return new X509Certificate(first);
  } catch {
    throw wrong('its certificate cannot be read');
  }
}

function readKey(pem: string): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) throw wrong('it holds no private key');
  try {
    return createPrivateKey(pem);
  } catch {
    throw wrong('its private key cannot be read: it must not be encrypted');
  }
}

function wrong(why: string): FairleadError {
  return new FairleadError(
    'ERR_CONFIG',
    `no key and certificate for end-to-end encryption: ${why}; "fairlead keys --e2e" makes both`,
  );
}
