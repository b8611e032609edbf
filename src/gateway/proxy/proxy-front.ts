// The proxy paths at one listener: who may, which target, what is answered before one is asked. Must never serve what
// it has not checked, nor lose count of what is open.

import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Front } from '../front.ts';
import type { GatewayLog } from '../gateway-log.ts';
import { refusal } from '../http-answer.ts';
import { lastAnswer } from '../last-answer.ts';
import { type Outcome, refused } from '../outcome.ts';
import { answerFor, sendAnswer } from './answer.ts';
import { type AcceptsBasic, checkCaller, type ListenerKind } from './caller.ts';
import { Exchange, type Upgrade } from './exchange.ts';
import { eachField } from './fields.ts';
import { parseProxyPath } from './proxy-path.ts';
import { RequestRefused } from './request-refused.ts';
import { joinSwitched } from './switched.ts';
import type { TargetConnections } from './target-connections.ts';
import type { FollowedCredentials } from './target-credentials.ts';

export interface ProxyFrontOptions {
  readonly kind: ListenerKind;
  readonly targets: TargetConnections;
  readonly credentials: FollowedCredentials;
  /** The link to the broker is encrypted, or does not leave this machine: plain `http` targets may be asked. */
  readonly takesPlainHttp: boolean;
  /** Undefined: nobody is asked. */
  readonly acceptsBasic: AcceptsBasic | undefined;
  /** Requests and switched connections at once; more are answered 503. */
  readonly maxExchanges: number;
  /** Longest that a client may take to send a head, in ms. */
  readonly headTimeoutMs: number;
  /** Longest without a byte to or from a client, in ms. */
  readonly idleMs: number;
  readonly log: GatewayLog;
}

const maxHeadBytes = 16_384;
/** How long a client may keep a connection without a request, in ms. */
const keepAliveTimeout = 60_000;

export class ProxyFront implements Front {
  readonly fullAnswer = refusal(
    refused(503, 'ERR_RATE_LIMIT', 'the gateway has as many connections as it may'),
  );
  readonly #options: ProxyFrontOptions;
  readonly #parser: Server;
  /** The newest response on each connection; answers go out in the order of the requests. */
  readonly #newest = new WeakMap<Duplex, ServerResponse>();
  #exchanges = 0;
  #isDraining = false;

  constructor(options: ProxyFrontOptions) {
    this.#options = options;
    const { headTimeoutMs, idleMs } = options;
    // It never listens itself: it is given connections, and parses.
    this.#parser = createServer({
      maxHeaderSize: maxHeadBytes,
      headersTimeout: headTimeoutMs,
      // Bodies take as long as they take; silence has the idle limit.
      requestTimeout: 0,
      keepAliveTimeout,
      connectionsCheckingInterval: Math.min(1_000, headTimeoutMs),
      insecureHTTPParser: false,
      // Looked for with the rest, for an answer of our own.
      requireHostHeader: false,
    });
    this.#parser.timeout = idleMs;
    this.#parser.on('request', (request, response) => this.#exchange(request, response, false));
    this.#parser.on('checkContinue', (request, response) => this.#exchange(request, response, true));
    this.#parser.on('checkExpectation', (_request, response) =>
      sendAnswer(response, refused(417, 'ERR_PROTOCOL', 'nothing can be expected but "100-continue"'), true),
    );
    this.#parser.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head));
    this.#parser.on('connect', (_request, socket) =>
      lastAnswer(
        socket as Socket,
        refusal(refused(405, 'ERR_CONFIG', 'CONNECT is spoken at the --http-connect addresses')),
      ),
    );
    this.#parser.on('clientError', (error, socket) => this.#unreadable(error, socket as Socket));
    // Its clock for slow heads is started by listening.
    this.#parser.emit('listening');
  }

  /** Requests being served, and connections that speak another protocol by now. */
  get exchanges(): number {
    return this.#exchanges;
  }

  serve(socket: Socket): void {
    this.#parser.emit('connection', socket);
  }

  drain(): void {
    this.#isDraining = true;
    this.#parser.closeIdleConnections();
    if (this.#exchanges === 0) this.#parser.close();
  }

  #begin(): () => void {
    if (this.#isDraining) throw new RequestRefused(503, 'ERR_DRAINING', 'the gateway is shutting down');
    if (this.#exchanges >= this.#options.maxExchanges)
      throw new RequestRefused(503, 'ERR_STREAM_LIMIT', 'the gateway has as many requests as it may');
    this.#exchanges += 1;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#exchanges -= 1;
      // Its connection is idle only once Node has put the response away.
      if (this.#isDraining) setImmediate(() => this.drain());
    };
  }

  #exchange(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
    upgrading?: (end: () => void) => Upgrade,
  ): void {
    const { kind, targets, credentials, acceptsBasic } = this.#options;
    this.#newest.set(request.socket, response);
    try {
      const authorizationIsOurs = checkCaller(request, kind, acceptsBasic);
      const path = parseProxyPath(request.url ?? '');
      if (path.lacksSlash && upgrading === undefined) {
        // RFC 9110 §15.4.9: repeated as it was, whatever its method.
        response.writeHead(308, { Location: path.prefix + path.rest, 'Content-Length': 0 }).end();
        return;
      }
      if (path.scheme === 'http' && !this.#options.takesPlainHttp)
        throw new RequestRefused(
          403,
          'ERR_FORBIDDEN',
          'the link to the broker is not encrypted: ask for "https:", or use a broker at wss://',
        );
      const end = this.#begin();
      response.once('close', end);
      const facts = {
        path,
        proto: (kind as string) === 'tls' ? 'https' : 'http',
        authorizationIsOurs,
        token: path.scheme === 'https' ? credentials.current().token : undefined,
        expectsContinue,
        closes: upgrading !== undefined,
        upgrade: upgrading?.(end),
      } as const;
      new Exchange(request, response, targets, facts).start();
    } catch (error) {
      const answer = answerFor(error);
      if (answer.status === 500)
        this.#options.log.error({ event: 'proxy-failed', error: String(error) }, 'a request failed');
      // A client that waits for "100 Continue" may or may not send its body now: only a new connection is certain.
      sendAnswer(response, answer, expectsContinue || upgrading !== undefined);
    }
  }

  /** The connection is the request's own now. Until the target agrees, it is answered as any other. */
  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => lastAnswer(socket, Buffer.alloc(0)));
    socket.setTimeout(this.#options.idleMs, () => socket.destroy());
    this.#exchange(request, response, false, (end) => ({
      protocol: request.headers.upgrade ?? '',
      switched: (incoming, fields, target, targetHead) => {
        response.detachSocket(socket);
        socket.write(switchedHead(incoming, fields), 'latin1');
        giveBack(target, targetHead);
        giveBack(socket, head);
        joinSwitched(socket, target, end);
      },
    }));
  }

  /** What Node's parser does not take: too long, too slow, or no HTTP. */
  #unreadable(error: ParseError, socket: Socket): void {
    const newest = this.#newest.get(socket);
    const answer = unreadable(error);
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else if (newest === undefined || newest.closed) lastAnswer(socket, refusal(answer));
    // A body that breaks off; what was said after half an answer would be taken for its rest.
    else if (newest.headersSent) socket.destroy();
    else sendAnswer(newest, answer, true);
  }
}

type ParseError = NodeJS.ErrnoException & { readonly reason?: string };

function switchedHead(incoming: IncomingMessage, fields: readonly string[]): string {
  let head = `HTTP/1.1 101 ${incoming.statusMessage}\r\n`;
  for (const [name, value] of eachField(fields)) head += `${name}: ${value}\r\n`;
  return `${head}\r\n`;
}

/** What was read beyond the head is the first that the other protocol says. */
function giveBack(socket: Duplex, head: Buffer): void {
  if (head.length > 0) socket.unshift(head);
}

function unreadable({ code, reason, message }: ParseError): Outcome {
  if (code === 'HPE_HEADER_OVERFLOW')
    return refused(431, 'ERR_CONFIG', `the request head has more than ${maxHeadBytes} bytes`);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return refused(408, 'ETIMEDOUT', 'the request head did not come in time');
  return refused(400, 'ERR_CONFIG', `not an HTTP request: ${reason ?? message}`);
}
