// The part of a logger that the gateway needs; a pino logger is one. Every line has a stable `event` name. Never a
// header, a credential or a byte of a stream.

export interface GatewayLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: GatewayLog = { debug() {}, info() {}, warn() {}, error() {} };
