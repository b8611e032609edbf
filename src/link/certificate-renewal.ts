// Sees when a link that a certificate has opened needs another one: TLS shows a certificate once, at the beginning.
// Holds no key.

import { X509Certificate } from 'node:crypto';
import type { BrokerAccess, Credentials } from './broker-access.ts';
import { RenewalTimer } from './renewal-timer.ts';

export class CertificateRenewal {
  private readonly access: BrokerAccess;
  private readonly renewed: () => void;
  private readonly timer = new RenewalTimer(() => void this.look());
  /** PEM of what the link was opened with. */
  private shown: string | undefined;
  private asking = false;

  /** `renewed` is called when there is a newer certificate than the link's. */
  constructor(access: BrokerAccess, renewed: () => void) {
    this.access = access;
    this.renewed = renewed;
  }

  /** A link is up, opened with these. Where there is a token, it is the token that says who calls. */
  begin({ token, certificate }: Credentials): void {
    this.shown = token === undefined ? certificate?.cert : undefined;
    this.wait();
  }

  /** There is no link. */
  end(): void {
    this.timer.stop();
    this.shown = undefined;
  }

  /** Asks for the certificate, and tells where it is another one. */
  async look(): Promise<void> {
    const { shown, access } = this;
    if (shown === undefined || this.asking || typeof access.certificate !== 'function') return;
    this.asking = true;
    try {
      const { cert } = await access.certificate();
      // The link may have been lost, or another opened, while the certificate was asked for.
      if (this.shown === shown && cert !== shown) this.renewed();
    } catch {
      // One that cannot be read now may be there the next time.
    } finally {
      this.asking = false;
      if (this.shown !== undefined) this.wait();
    }
  }

  private wait(): void {
    this.timer.waitFor(
      typeof this.access.certificate === 'function' ? certificateEndsAt(this.shown) : undefined,
    );
  }
}

/** When the first certificate in PEM ends. */
export function certificateEndsAt(pem: string | undefined): number | undefined {
  if (pem === undefined) return undefined;
  try {
    return Date.parse(new X509Certificate(pem).validTo);
  } catch {
    return undefined;
  }
}
