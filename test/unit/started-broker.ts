// Brokers of one test in this process, and whatever else is to be closed when it ends.

import { afterEach } from 'vitest';
import { type Broker, type BrokerOptions, startBroker } from '../../src/broker/index.ts';

export const secret = 'a secret for tests, long enough to sign with';

/** Closed after each test, last first. */
export const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

export async function start(options: Partial<BrokerOptions> = {}): Promise<Broker> {
  const broker = await startBroker({ secret, port: 0, ...options });
  opened.push(broker);
  return broker;
}
