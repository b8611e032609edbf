// What the rest of the project may use of the broker.

export type { BrokerLog } from './broker-log.ts';
export type { Counters } from './counters.ts';
export type { InstanceSummary, NodeSummary } from './directory.ts';
export { type MintOptions, mintToken } from './mint.ts';
export { type Broker, startBroker } from './node.ts';
export type { BrokerOptions } from './node-options.ts';
