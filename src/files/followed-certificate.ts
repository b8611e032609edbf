// A certificate, its key and the authorities to trust, in files that are followed together. Must never let go of what
// was good because what came after is malformed, or half replaced; never logs or quotes what a file holds.

import { constants, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, DEFAULT_CIPHERS } from 'node:tls';
import { FairleadError } from '../protocol/errors.ts';
import { readParsed, watchPath } from './followed-file.ts';

export interface CertificateFiles {
  /** PEM: the certificate, then those between it and its authority. */
  readonly cert: string;
  /** PEM, not encrypted. */
  readonly key: string;
  /** PEM: whose certificates are taken. */
  readonly ca?: string | undefined;
}

/** Checked: the certificate and the key belong together, and each authority is a certificate. */
export interface CertificateMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: readonly string[] | undefined;
  /** Milliseconds since the epoch at which the certificate ends. */
  readonly expiresAt: number;
}

export interface FollowedCertificate {
  /** What the files said when they were last good, all of them. */
  value(): CertificateMaterial;
  /** Calls the listener after each change that was good; answers how to stop. */
  onChanged(listener: (material: CertificateMaterial) => void): () => void;
  close(): void;
}

/**
 * What every TLS server of ours is made with: TLS 1.2 at least; no renegotiation, which nobody needs and which costs
 * the server more than the peer. The rest is Node's default.
 */
export const tlsServerDefaults = {
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  // Node's own list, with AES-128 before AES-256: as strong as the key exchange, and a tenth less work for every byte.
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    ...DEFAULT_CIPHERS.split(':').filter((name) => name !== 'TLS_AES_128_GCM_SHA256'),
  ].join(':'),
} as const;

/** Two files are two renames: how long the second may take before what is there is read, in ms. */
const settleMs = 250;
const maxCertificates = 512;
const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * @param failed hears of changes that cannot be used; what was good before them stays
 * @throws FairleadError ERR_CONFIG that names the file; Node's own error where one cannot be read
 */
export async function followCertificate(
  files: CertificateFiles,
  failed: (error: unknown) => void,
): Promise<FollowedCertificate> {
  const listeners = new Set<(material: CertificateMaterial) => void>();
  let closed = false;
  let rereading = Promise.resolve();
  let complaint = '';

  async function reread(): Promise<void> {
    try {
      const next = await readCertificate(files);
      complaint = '';
      if (closed || isSame(next, current)) return;
      current = next;
      for (const listener of listeners) listener(next);
    } catch (error) {
      // What is as bad as it was a moment ago has been told.
      if (closed || String(error) === complaint) return;
      complaint = String(error);
      failed(error);
    }
  }
  const unwatch = watchCertificate(files, () => {
    rereading = rereading.then(reread);
  });
  const close = () => {
    closed = true;
    listeners.clear();
    unwatch();
  };
  let current: CertificateMaterial;
  try {
    current = await readCertificate(files);
  } catch (error) {
    close();
    throw error;
  }
  return {
    value: () => current,
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close,
  };
}

/** As `watchPath`, for all the files: calls once for changes that come together. */
export function watchCertificate({ cert, key, ca }: CertificateFiles, changed: () => void): () => void {
  let settling: NodeJS.Timeout | undefined;
  const settle = () => {
    clearTimeout(settling);
    settling = setTimeout(changed, settleMs).unref();
  };
  const unwatch = [cert, key, ...(ca === undefined ? [] : [ca])].map((path) => watchPath(path, settle));
  return () => {
    clearTimeout(settling);
    for (const stop of unwatch) stop();
  };
}

/** Reads the files once. @throws as {@link followCertificate} does */
export async function readCertificate(files: CertificateFiles): Promise<CertificateMaterial> {
  // One after the other, so that of several bad files the same one is named each time.
  const chain = await readParsed(files.cert, (text) => ({ text, leaf: certificatesIn(text)[0] }));
  const key = await readParsed(files.key, (text) => ({ text, key: privateKeyIn(text) }));
  const ca = files.ca === undefined ? undefined : await readParsed(files.ca, parseAuthorities);
  const { leaf } = chain;
  if (leaf === undefined || !leaf.checkPrivateKey(key.key))
    throw config(`the first certificate in ${files.cert} and the key in ${files.key} do not belong together`);
  try {
    createSecureContext({ cert: chain.text, key: key.text });
  } catch {
    throw config(`TLS cannot be spoken with ${files.cert} and ${files.key}: the key is too weak, or unknown`);
  }
  return { cert: chain.text, key: key.text, ca, expiresAt: Date.parse(leaf.validTo) };
}

/**
 * The certificates in a text, each as PEM of its own: whom to trust.
 *
 * @throws FairleadError ERR_CONFIG where there is none, or one that cannot be read: half a list is none
 */
export function parseAuthorities(pem: string): readonly string[] {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    throw config('this holds a private key, where only certificates belong');
  return certificatesIn(pem).map((certificate) => certificate.toString());
}

function certificatesIn(pem: string): readonly X509Certificate[] {
  const begun = pem.split('-----BEGIN CERTIFICATE-----').length - 1;
  if (begun === 0) throw config('this holds no certificate in PEM');
  if (begun > maxCertificates) throw config(`this holds more than ${maxCertificates} certificates`);
  const blocks = pem.match(certificateBlock) ?? [];
  if (blocks.length !== begun) throw config('a certificate in it is cut short, or not PEM');
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw config(`certificate ${index + 1} in it is malformed`);
    }
  });
}

function privateKeyIn(pem: string): KeyObject {
  if (/-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem))
    throw config('this key is encrypted: store it without a passphrase, readable by its owner only');
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's own words would say nothing that helps.
    throw config('this holds no private key in PEM');
  }
}

function isSame(a: CertificateMaterial, b: CertificateMaterial): boolean {
  return a.cert === b.cert && a.key === b.key && a.ca?.join() === b.ca?.join();
}

function config(message: string): FairleadError {
  return new FairleadError('ERR_CONFIG', message);
}
