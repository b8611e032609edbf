// `--metrics ADDR`: where Prometheus may ask.

import { type HostPort, parseListen } from './address.ts';

export type MetricsAddress = HostPort | 'off';

export function parseMetricsAddress(text: string): MetricsAddress {
  return text === 'off' ? 'off' : parseListen(text);
}
