// The public surface of the gateway.

export { type Gateway, type GatewayOptions, startGateway } from './gateway.ts';
export type { GatewayAddress } from './listener.ts';
export type { ProxyOptions } from './proxy/proxy-paths.ts';
export { checkTargetFiles, followTargetCredentials } from './proxy/target-credentials.ts';
export type { GatewayTarget, TargetDialer } from './target-dialer.ts';
