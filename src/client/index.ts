// The public surface of the dial API.

export { type ErrorCode, FairleadError } from '../protocol/errors.ts';
export type { HostHolder, NodeInfo } from './broker-answers.ts';
export { type BrokerClient, connect } from './broker-client.ts';
export type { ConnectOptions, DialOptions } from './connect-options.ts';
export { StreamSocket } from './stream-socket.ts';
