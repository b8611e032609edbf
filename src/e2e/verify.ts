// Whether the other end is who it must be: by the pin of its key, or by an authority that vouches for its name.
// TLS has shown that it holds the key; whose key that is, is decided here and nowhere else.

import type { X509Certificate } from 'node:crypto';
import { FairleadError } from '../protocol/errors.ts';
import { matchesPattern } from '../protocol/pattern.ts';
import { pinOf } from './identity.ts';
import type { Credentials } from './options.ts';

/** What TLS found: a certificate whose key the peer holds, and what is wrong with who vouches for it. */
export interface ShownCertificate {
  readonly certificate: X509Certificate;
  /** Undefined where an authority that was given vouches for it. */
  readonly chainError: string | undefined;
}

export interface VerifiedPeer {
  /** What the peer is called here. */
  readonly name: string;
  readonly pin: string;
}

/** At an agent. @throws FairleadError ERR_E2E that says whose key was shown and how it is made known */
export function verifyDialer({ trusted }: Credentials, shown: ShownCertificate): VerifiedPeer {
  const { certificate } = shown;
  const pin = pinOf(certificate);
  checkDates(certificate, 'dialer');
  if ('peers' in trusted) {
    const [name] = trusted.peers.get(pin) ?? [];
    if (name !== undefined) return { name, pin };
    throw refusal(
      `the agent does not know the dialer's key ${pin}: if it may come, add the line "${pin} NAME" to the agent's --e2e-peers`,
    );
  }
  checkChain(shown, 'dialer', pin);
  const name = nameIn(certificate);
  if (name !== undefined) return { name, pin };
  throw refusal(
    `the dialer's certificate (${pin}) has no name that can be used: no DNS, e-mail or URI name, no CN`,
  );
}

/** At a dialer. @throws FairleadError ERR_E2E that says whose key was shown and how it is made known */
export function verifyAgent({ trusted }: Credentials, shown: ShownCertificate, node: string): VerifiedPeer {
  const { certificate } = shown;
  const pin = pinOf(certificate);
  checkDates(certificate, 'agent');
  if ('peers' in trusted) {
    const patterns = trusted.peers.get(pin) ?? [];
    if (patterns.some((pattern) => matchesPattern(pattern, node, '.'))) return { name: node, pin };
    throw refusal(
      `the agent of "${node}" shows the key ${pin}, which is not known for this node: compare it with what "fairlead keys --e2e" printed there, and only if it is the same add the line "${pin} ${node}" to --e2e-peers`,
    );
  }
  checkChain(shown, 'agent', pin);
  // "never": a name only in the subject is none for a host (RFC 9525 §2).
  if (certificate.checkHost(node, { subject: 'never' }) !== undefined) return { name: node, pin };
  throw refusal(
    `the certificate (${pin}) that the agent of "${node}" shows is not for this node: its SAN must have the DNS name ${node}`,
  );
}

function checkDates(certificate: X509Certificate, whose: 'agent' | 'dialer'): void {
  const now = Date.now();
  if (now > Date.parse(certificate.validTo))
    throw refusal(`the ${whose}'s certificate expired on ${certificate.validTo}: it needs a new one`);
  if (now < Date.parse(certificate.validFrom))
    throw refusal(
      `the ${whose}'s certificate begins only on ${certificate.validFrom}: check the clocks of both ends`,
    );
}

function checkChain({ chainError }: ShownCertificate, whose: 'agent' | 'dialer', pin: string): void {
  if (chainError === undefined) return;
  throw refusal(
    `no authority that is known here vouches for the ${whose}'s certificate (${pin}): ${chainError}; see --e2e-ca`,
  );
}

/**
 * A dialer's name: the first DNS, e-mail or URI name of its SAN; without a SAN, the CN. Node writes a name in quotes
 * where it has characters that could pass for another entry; such is no name to us.
 */
function nameIn(certificate: X509Certificate): string | undefined {
  const { subjectAltName, subject } = certificate;
  const name =
    subjectAltName === undefined
      ? /^CN=(.*)$/m.exec(subject ?? '')?.[1]
      : subjectAltName.split(', ').flatMap((entry) => /^(?:DNS|email|URI):(.*)$/.exec(entry)?.[1] ?? [])[0];
  return name !== undefined && /^[^\s"\\]{1,253}$/.test(name) ? name : undefined;
}

function refusal(message: string): FairleadError {
  return new FairleadError('ERR_E2E', message);
}
