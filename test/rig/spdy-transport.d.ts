// The part of spdy-transport that the stub kubelet uses; the package has no types of its own.

declare module 'spdy-transport' {
  import type { EventEmitter } from 'node:events';
  import type { Duplex } from 'node:stream';

  interface SpdyStream extends Duplex {
    readonly headers: Readonly<Record<string, string>>;
    respond(status: number, headers: Record<string, string>): void;
  }

  interface SpdyConnection extends EventEmitter {
    start(version: number): void;
    on(event: 'stream', listener: (stream: SpdyStream) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
  }

  const transport: {
    readonly connection: {
      create(socket: Duplex, options: { protocol: 'spdy'; isServer: true }): SpdyConnection;
    };
  };

  export type { SpdyStream };
  export default transport;
}

declare module 'spdy-transport/lib/spdy-transport/protocol/spdy/parser.js' {
  type Fields = Record<string, string>;
  type Parsed = (error: Error | null, fields?: Fields) => void;

  interface Parser {
    parseKVs(block: unknown, parsed: Parsed): void;
  }

  const parser: { create(options: object): Parser };
  export default parser;
}
