// The public surface of the dial API.

export type { E2eDialerOptions } from '../e2e/options.ts';
export { StreamSocket } from '../link/stream-socket.ts';
export { type ErrorCode, FairleadError } from '../protocol/errors.ts';
export type { DialTiming } from '../protocol/open.ts';
export type { InstanceStatus, NodeStatus, Status } from '../protocol/status.ts';
export type { HostHolder, NodeInfo } from './broker-answers.ts';
export { type BrokerClient, connect } from './broker-client.ts';
export type {
  ConnectOptions,
  DialManner,
  DialOptions,
  PingOptions,
  SocketTarget,
  TcpTarget,
} from './connect-options.ts';
export type { ClientMeter, SessionFigures } from './meter.ts';
export type { RoundTrip } from './round-trips.ts';
