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
