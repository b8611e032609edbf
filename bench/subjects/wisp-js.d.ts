// What the benchmark uses of a package that brings no types.

declare module '@mercuryworkshop/wisp-js/client' {
  interface WispStream {
    readonly send_buffer: readonly unknown[];
    onmessage: (data: Uint8Array) => void;
    onclose: (reason: number) => void;
    continue_received(credit: number): void;
    send(data: Uint8Array): void;
    close(reason?: number): void;
  }
  class ClientConnection {
    constructor(url: string);
    onopen: () => void;
    create_stream(host: string, port: number): WispStream;
  }
  export const client: { readonly ClientConnection: typeof ClientConnection };
}

declare module '@mercuryworkshop/wisp-js/server' {
  import type { IncomingMessage } from 'node:http';
  import type { Duplex } from 'node:stream';
  export const logging: { readonly NONE: number; set_level(level: number): void };
  export const server: {
    readonly options: Record<string, unknown>;
    routeRequest(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  };
}
