// The public surface of the gateway.

export { longestSocketPath } from '../link/socket-path.ts';
export { type Credentials, parseCredentials } from './credentials.ts';
export { type Gateway, startGateway } from './gateway.ts';
export { type GatewayOptions, gatewayDefaults } from './gateway-options.ts';
export { checkAddress, type GatewayAddress, type ServerCertificate } from './listener.ts';
export { GatewayMetrics } from './metrics.ts';
export type { ProxyOptions } from './proxy/proxy-paths.ts';
export { checkTargetFiles, followTargetCredentials } from './proxy/target-credentials.ts';
export type { GatewayTarget, TargetDialer } from './target-dialer.ts';
