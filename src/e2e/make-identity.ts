// Makes an identity: a P-256 key and a certificate that the key signs itself. Others know it by its pin, so the names in
// the certificate say nothing that anybody relies on.

import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';
import { type Identity, parseIdentity } from './identity.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const hourMs = 3_600_000;

/** `name` is for people. @param ttlSeconds how long the certificate is good from now on; it is so since an hour ago, for clocks that are late */
export async function makeIdentity(name: string, ttlSeconds: number): Promise<Identity> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    keys,
    signingAlgorithm: algorithm,
    name: [{ CN: [name] }],
    // Positive, and of 16 bytes: RFC 5280 §4.1.2.2.
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    notBefore: new Date(Date.now() - hourMs),
    notAfter: new Date(Date.now() + ttlSeconds * 1000),
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}(?!$)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
  return parseIdentity(`${key}${certificate.toString('pem')}\n`);
}
