// The public surface of the dial API in a browser.

export type { HostHolder, NodeInfo } from '../client/broker-answers.ts';
export type { RoundTrip } from '../client/round-trips.ts';
export { type ErrorCode, FairleadError } from '../protocol/errors.ts';
export type { Status } from '../protocol/status.ts';
export { type AskOptions, type BrokerClient, connect } from './browser-client.ts';
export type { DialedSocket } from './dialed-socket.ts';
export type { ConnectOptions, DialOptions } from './options.ts';
