// When what this process shows to others ends, so that somebody hears of it before.

import type { Metrics } from './registry.ts';

/** `endsAt` is in milliseconds since the epoch. */
export function tellExpiry(metrics: Metrics, endsAt: () => number): void {
  metrics.level(
    'fairlead_certificate_expiry_timestamp_seconds',
    'When the certificate that this process serves TLS with ends, in seconds since the epoch.',
    () => endsAt() / 1000,
  );
}

/** As {@link tellExpiry}, for what this process shows to its broker; undefined where that has no end. */
export function tellCredentialExpiry(metrics: Metrics, endsAt: () => Promise<number | undefined>): void {
  metrics.lookup(
    'fairlead_credential_expiry_timestamp_seconds',
    'When the token or client certificate that is shown to the broker ends, in seconds since the epoch.',
    async () => {
      const endsAtMs = await endsAt();
      return endsAtMs === undefined ? undefined : endsAtMs / 1000;
    },
  );
}
