// HTTP CONNECT as kube-apiserver's egress selector, curl and ssh's proxy commands speak it. Routes by the request
// target, never by Host, and answers 200 only when the target's connection stands.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseAuthority } from './authority.ts';
import { acceptsBasic, type Credentials } from './credentials.ts';
import type { Front } from './front.ts';
import { connectionEstablished, refusal } from './http-answer.ts';
import { lastAnswer } from './last-answer.ts';
import { type Outcome, outcomeOf, refused } from './outcome.ts';
import { markOf } from './request-mark.ts';
import { serveTunnel, type TunnelContext } from './tunnel.ts';

/** Longest head, in bytes: kube-apiserver's has less than 300. */
const maxHeadBytes = 16_384;

export interface HttpConnectOptions extends TunnelContext {
  /** Longest that a client may take to send its head, in ms. */
  readonly headTimeoutMs: number;
  /** Undefined: nobody is asked. */
  readonly credentials: Credentials | undefined;
}

export class HttpConnectFront implements Front {
  readonly name = 'http-connect';
  readonly fullAnswer = refusal(
    refused(503, 'ERR_RATE_LIMIT', 'the gateway has as many connections as it may'),
  );
  readonly #options: HttpConnectOptions;
  readonly #parser: Server;
  /** Those whose head has not come, with the time that it has. */
  readonly #expected = new Map<Duplex, NodeJS.Timeout>();

  constructor(options: HttpConnectOptions) {
    this.#options = options;
    // It never listens itself: it is given connections, and parses.
    this.#parser = createServer({ maxHeaderSize: maxHeadBytes, keepAlive: false, requireHostHeader: false });
    this.#parser.on('connect', (request, socket, early) => this.#connect(request, socket as Socket, early));
    this.#parser.on('request', (request, response) => this.#otherMethod(request, response));
    this.#parser.on('clientError', (error, socket) => this.#malformed(error, socket as Socket));
  }

  serve(socket: Socket): void {
    const tooLate = refused(408, 'ETIMEDOUT', 'the request head did not come in time');
    const timer = setTimeout(() => this.#refuse(socket, tooLate), this.#options.headTimeoutMs).unref();
    this.#expected.set(socket, timer);
    socket.once('close', () => this.#headCame(socket));
    this.#parser.emit('connection', socket);
  }

  drain(): void {
    for (const socket of [...this.#expected.keys()]) socket.destroy();
  }

  /** True for the first head of a connection: there is one dial per connection. */
  #headCame(socket: Duplex): boolean {
    clearTimeout(this.#expected.get(socket));
    return this.#expected.delete(socket);
  }

  #connect(request: IncomingMessage, socket: Socket, early: Buffer): void {
    if (!this.#headCame(socket)) return;
    const { credentials } = this.#options;
    const mark = markOf(request);
    const refuse = (outcome: Outcome): Buffer => refusal(outcome, { 'X-Request-Id': mark.id });
    if (credentials !== undefined && !acceptsBasic(credentials, request.headers['proxy-authorization'])) {
      const outcome = refused(
        407,
        'ERR_UNAUTHORIZED',
        'the gateway wants a user and a password that it knows',
      );
      this.#options.countRefused(outcome.code);
      lastAnswer(
        socket,
        refusal(outcome, { 'Proxy-Authenticate': 'Basic realm="fairlead", charset="UTF-8"' }),
      );
      return;
    }
    try {
      const target = { ...parseAuthority(request.url ?? ''), ...mark };
      // The answer that a tunnel begins with stays as bare as ever: some clients read no other.
      void serveTunnel(
        { client: socket, early, target, connected: () => connectionEstablished, refused: refuse },
        this.#options,
      );
    } catch (error) {
      const outcome = outcomeOf(error);
      this.#options.countRefused(outcome.code);
      lastAnswer(socket, refuse(outcome));
    }
  }

  #otherMethod(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const method = (request.method ?? '').slice(0, 20);
    const outcome = refused(405, 'ERR_CONFIG', `this is for CONNECT, not for ${method}`);
    // Over the socket, not the response: what is answered here ends the connection, whatever was pipelined.
    response.detachSocket(socket);
    this.#refuse(socket, outcome, { Allow: 'CONNECT' });
  }

  #malformed(error: Error & { code?: string; reason?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const outcome =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? refused(431, 'ERR_CONFIG', `the request head has more than ${maxHeadBytes} bytes`)
        : refused(400, 'ERR_CONFIG', `not an HTTP request: ${error.reason ?? error.message}`);
    this.#refuse(socket, outcome);
  }

  #refuse(socket: Socket, outcome: Outcome, headers: Readonly<Record<string, string>> = {}): void {
    if (!this.#headCame(socket)) return;
    this.#options.countRefused(outcome.code);
    lastAnswer(socket, refusal(outcome, headers));
  }
}
