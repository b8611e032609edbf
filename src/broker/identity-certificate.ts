// Who a client certificate says is calling. The chain is OpenSSL's to verify, in the handshake; here its names are
// read, and only those of which there is one reading. Node only.

import type { X509Certificate } from 'node:crypto';
import {
  type CertificateConfig,
  type CertificateNames,
  grantByNames,
  type NameKind,
} from './certificate-rules.ts';
import { type Identity, identityOf, unauthorized } from './identity.ts';

/** @throws FairleadError ERR_UNAUTHORIZED */
export type IdentifyCertificate = (certificate: X509Certificate) => Identity;

/** For certificates whose chain has been verified. */
export function identifyByRules({ prefix, grants }: CertificateConfig): IdentifyCertificate {
  return (certificate) => {
    const expiresAt = Date.parse(certificate.validTo);
    // A connection, or a session that TLS resumes, may be older than that.
    if (!(expiresAt > Date.now())) throw unauthorized('the client certificate has expired');
    const { name, grant } = grantByNames(grants, namesOf(certificate));
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    const claims = { sub: name, exp: expiresAt / 1000, jti: `sha256:${fingerprint}` };
    return { ...identityOf(claims, prefix, grant), serial: `serial:${certificate.serialNumber}` };
  };
}

/**
 * Printable ASCII, with single spaces inside: what cannot be mistaken for something else, in a rule, a deny list or
 * a log.
 */
const plain = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;

const maxNameCharacters = 400;
const maxNames = 256;

/** The plain names in a certificate; those that are not plain count for nothing. */
export function namesOf(certificate: X509Certificate): CertificateNames {
  const { subject } = certificate;
  // Node joins the parts of a multi-valued RDN with " + ", and escapes a plus in a value: which part is whose
  // name is a matter of taste, so nothing of such a subject is taken.
  const isMultiValued = typeof subject === 'string' && subject.includes(' + ');
  const fields = (isMultiValued ? {} : (certificate.toLegacyObject().subject ?? {})) as Record<
    string,
    unknown
  >;
  const organization = list(fields.O).filter(isPlain);
  const commonNames = list(fields.CN);
  // RFC 5280 lets a subject have several: which of them is meant cannot be told.
  const cn = commonNames.length === 1 ? commonNames.filter(isPlain) : [];
  return { organization, cn, ...alternativeNames(certificate.subjectAltName) };
}

const sanKinds: Readonly<Record<string, Exclude<NameKind, 'cn'>>> = {
  DNS: 'dns',
  URI: 'uri',
  email: 'email',
};

/**
 * Node writes the names as `DNS:a, URI:b`, and puts what could be taken for more than it is into quotation marks
 * (CVE-2021-44532): where there are any, none of the names is taken.
 */
function alternativeNames(text: string | undefined): Omit<CertificateNames, 'cn' | 'organization'> {
  const names = { dns: [] as string[], uri: [] as string[], email: [] as string[] };
  if (text === undefined || text.includes('"')) return names;
  const entries = text.split(', ');
  if (entries.length > maxNames) return names;
  for (const entry of entries) {
    const colon = entry.indexOf(':');
    const kind = Object.hasOwn(sanKinds, entry.slice(0, colon)) ? sanKinds[entry.slice(0, colon)] : undefined;
    const name = entry.slice(colon + 1);
    if (kind !== undefined && isPlain(name)) names[kind].push(name);
  }
  return names;
}

function list(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function isPlain(name: unknown): name is string {
  return typeof name === 'string' && name.length <= maxNameCharacters && plain.test(name);
}
