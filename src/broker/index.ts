// What the rest of the project may use of the broker.

export { type MintOptions, mintToken } from './mint.ts';
export { defaultPrefix, type NatsOptions } from './nats/options.ts';
export { type Broker, startBroker } from './node.ts';
export type { BrokerOptions } from './node-options.ts';
