// What the rest of the project may use of the broker.

export { type AuthSources, followDenyFile, openAuth } from './auth-files.ts';
export type { Identity } from './identity.ts';
export { verifierOf } from './identity-verifier.ts';
export { type BrokerLimits, brokerLimits } from './limits.ts';
export { type MintOptions, mintToken } from './mint.ts';
export { defaultPrefix, type NatsOptions } from './nats/options.ts';
export { type Broker, startBroker } from './node.ts';
export { type BrokerOptions, type StatusPageMode, statusPageModes } from './node-options.ts';
export { isOrigin } from './origins.ts';
export { makeKeyPair } from './signing-key.ts';
export { type ProxyHeader, parseRange, proxyHeaders } from './source.ts';
