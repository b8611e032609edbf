// The part of a logger that the broker needs; a pino logger is one. Every line has a stable `event` name.
// What peers choose goes in bounded, and no token ever does.

export interface BrokerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: BrokerLog = { info() {}, warn() {}, error() {} };

/** Text from a peer, short enough for a log line. */
export function bounded(text: string, maxCharacters = 128): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)}…`;
}
