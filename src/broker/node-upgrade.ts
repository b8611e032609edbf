// The HTTP side of opening a link on Node: from an upgrade request to a WebSocket, or to an HTTP response that
// says why not.

import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { requestIdHeader, requestIdOf } from '../protocol/dial-mark.ts';
import { type Admission, agentPath, type Caller, dialPath, type Gate, subprotocol } from './gate.ts';
import { Refusal } from './refusal.ts';

export interface UpgraderOptions {
  readonly gate: Gate;
  /** Answers requests that carry an Upgrade header and are for something else. */
  readonly fetch: (request: Request, incoming: IncomingMessage) => Response | Promise<Response>;
  /** Who has shown a certificate. */
  readonly callerOf: (incoming: IncomingMessage) => Caller | undefined;
  readonly isDraining: () => boolean;
  readonly maxMessageBytes: number;
  /** Longest that an upgrade may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Asked before anything is read of a request. Rejects with a {@link Refusal}. */
  readonly screen: (incoming: IncomingMessage) => Promise<void>;
  /** A token was refused. */
  readonly unauthorized: (incoming: IncomingMessage) => void;
  readonly accept: (webSocket: WebSocket, incoming: IncomingMessage, admission: Admission) => void;
  /** `request`: what it is known by, where it says so. */
  readonly refused: (refusal: Refusal, path: string, request: string | undefined) => void;
  readonly failed: (error: unknown) => void;
}

/** Header fields that the gate reads. */
const headersPassedOn = ['authorization', 'origin', 'sec-websocket-protocol', requestIdHeader] as const;

export class Upgrader {
  readonly #options: UpgraderOptions;
  readonly #server: WebSocketServer;
  /** Sockets whose upgrade is being decided. */
  readonly #pending = new Set<Duplex>();

  constructor(options: UpgraderOptions) {
    this.#options = options;
    const serverOptions: ServerOptions = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes,
      // A text message closes the link, so its encoding does not matter.
      skipUTF8Validation: true,
      allowSynchronousEvents: true,
      handleProtocols: () => subprotocol,
    };
    this.#server = new WebSocketServer(serverOptions);
    this.#server.on('wsClientError', (error, socket, incoming) => {
      const refusal = new Refusal('bad-request', `not a WebSocket handshake: ${error.message}`);
      this.#refuse(socket, refusal, incoming);
    });
  }

  /** For the server's `upgrade` event. */
  handle(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const fail = () => socket.destroy();
    socket.on('error', fail);
    this.#pending.add(socket);
    const timer = setTimeout(() => {
      this.#pending.delete(socket);
      this.#refuse(socket, new Refusal('upgrade-timeout', 'the upgrade took too long'), incoming);
    }, this.#options.timeoutMs);
    this.#decide(incoming)
      .then(async (decision) => {
        // Late: it has been answered already.
        if (!this.#pending.has(socket) || socket.destroyed) return;
        if (decision instanceof Response) return writeResponse(socket, decision);
        if (this.#options.isDraining()) throw new Refusal('draining', 'this broker is shutting down');
        socket.off('error', fail);
        this.#server.handleUpgrade(incoming, socket, head, (webSocket) =>
          this.#options.accept(webSocket, incoming, decision),
        );
      })
      .catch((error: unknown) => {
        if (error instanceof Refusal && error.status === 401) this.#options.unauthorized(incoming);
        if (!this.#pending.has(socket)) return;
        if (error instanceof Refusal) this.#refuse(socket, error, incoming);
        else {
          this.#options.failed(error);
          socket.destroy();
        }
      })
      .finally(() => {
        clearTimeout(timer);
        this.#pending.delete(socket);
      });
  }

  /** Ends every upgrade that is still being decided. */
  close(): void {
    for (const socket of this.#pending) socket.destroy();
    this.#pending.clear();
  }

  async #decide(incoming: IncomingMessage): Promise<Admission | Response> {
    await this.#options.screen(incoming);
    const request = toRequest(incoming);
    const { pathname } = new URL(request.url);
    // RFC 9110 §7.8: a server may ignore an Upgrade that it has no use for, such as curl's offer of h2c.
    if (pathname !== agentPath && pathname !== dialPath) return this.#options.fetch(request, incoming);
    return this.#options.gate.authorizeUpgrade(request, this.#options.callerOf(incoming));
  }

  #refuse(socket: Duplex, refusal: Refusal, { url = '', headers }: IncomingMessage): void {
    const request = requestIdOf(headers[requestIdHeader]);
    this.#options.refused(refusal, url.split('?', 1)[0] ?? '', request);
    writeResponse(socket, refusal.toResponse(request)).catch(() => socket.destroy());
  }
}

function toRequest(incoming: IncomingMessage): Request {
  if (incoming.method !== 'GET') throw new Refusal('bad-request', 'an upgrade is a GET');
  // RFC 6455 §4.2.1. Node does not ask for this where a request is an upgrade.
  if (incoming.httpVersion !== '1.1') throw new Refusal('bad-request', 'an upgrade is HTTP/1.1');
  const { host = [], authorization = [] } = incoming.headersDistinct;
  if (host.length !== 1) throw new Refusal('bad-request', 'an upgrade has one Host header');
  // Of two, a proxy in front could have looked at the other one.
  if (authorization.length > 1) throw new Refusal('bad-request', 'an upgrade has one Authorization header');
  const headers = new Headers();
  for (const name of headersPassedOn) {
    const value = incoming.headers[name];
    if (typeof value === 'string') headers.set(name, value);
  }
  try {
    return new Request(new URL(incoming.url ?? '/', 'http://broker.invalid'), { headers });
  } catch {
    throw new Refusal('bad-request', 'the request target is not valid');
  }
}

/** A whole response on a socket that left the HTTP server with its upgrade. */
async function writeResponse(socket: Duplex, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  const lines = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}`];
  for (const [name, value] of response.headers) lines.push(`${name}: ${value}`);
  lines.push(`content-length: ${body.length}`, 'connection: close', '', '');
  socket.once('finish', () => socket.destroy());
  socket.end(Buffer.concat([Buffer.from(lines.join('\r\n')), body]));
}
