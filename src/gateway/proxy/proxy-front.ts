// The proxy paths at one listener: who may, which target, what is answered before one is asked. Must never serve what
// it has not checked, nor lose count of what is open.

import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type DialMark, markFacts } from '../../protocol/dial-mark.ts';
import type { Front } from '../front.ts';
import type { GatewayLog } from '../gateway-log.ts';
import { refusal } from '../http-answer.ts';
import { lastAnswer } from '../last-answer.ts';
import { type Outcome, refused } from '../outcome.ts';
import { markOf } from '../request-mark.ts';
import { answerFor, discardRest, sendAnswer } from './answer.ts';
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
  /** Counts a request that was not served, by the code that its client was told. */
  readonly countRefused: (code: string) => void;
}

const maxHeadBytes = 16_384;
/** How long a client may keep a connection without a request, in ms. */
const keepAliveTimeout = 60_000;

/** Requests that may wait on a connection for the one before them. */
const maxPipelined = 16;

/** The newest response on a connection, and how many requests of it have not begun. */
interface Turn {
  readonly newest: ServerResponse;
  waiting: number;
}

export class ProxyFront implements Front {
  readonly name = 'proxy';
  readonly fullAnswer = refusal(
    refused(503, 'ERR_RATE_LIMIT', 'the gateway has as many connections as it may'),
  );
  readonly #options: ProxyFrontOptions;
  readonly #parser: Server;
  readonly #turns = new WeakMap<Duplex, Turn>();
  /** Requests being served, and connections that speak another protocol by now. */
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
    this.#parser.on('request', (request, response) =>
      this.#inTurn(request, response, () => this.#exchange(request, response, false)),
    );
    this.#parser.on('checkContinue', (request, response) =>
      this.#inTurn(request, response, () => this.#exchange(request, response, true)),
    );
    this.#parser.on('checkExpectation', (_request, response) =>
      sendAnswer(response, refused(417, 'ERR_PROTOCOL', 'nothing can be expected but "100-continue"'), true),
    );
    this.#parser.on('upgrade', (request, socket, head) => {
      if (this.#isAnswering(socket)) socket.destroy();
      else this.#upgrade(request, socket as Socket, head);
    });
    this.#parser.on('connect', (_request, socket) => {
      const answer = refused(405, 'ERR_CONFIG', 'CONNECT is spoken at the --http-connect addresses');
      if (this.#isAnswering(socket)) socket.destroy();
      else lastAnswer(socket as Socket, refusal(answer));
    });
    this.#parser.on('clientError', (error, socket) => this.#unreadable(error, socket as Socket));
    // Its clock for slow heads is started by listening.
    this.#parser.emit('listening');
  }

  serve(socket: Socket): void {
    this.#parser.emit('connection', socket);
  }

  drain(): void {
    this.#isDraining = true;
    this.#parser.closeIdleConnections();
    if (this.#exchanges === 0) this.#parser.close();
  }

  /** What takes over a connection, pipelined behind a request that is being answered, has nothing to take over yet. */
  #isAnswering(socket: Duplex): boolean {
    const newest = this.#turns.get(socket)?.newest;
    return newest !== undefined && !newest.closed;
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
    const mark = markOf(request);
    try {
      const authorizationIsOurs = checkCaller(request, kind, acceptsBasic);
      const parsed = parseProxyPath(request.url ?? '');
      const path = { ...parsed, target: { ...parsed.target, ...mark } };
      if (path.lacksSlash && upgrading === undefined) {
        // RFC 9110 §15.4.9: repeated as it was, whatever its method.
        response.writeHead(308, { Location: path.prefix + path.rest, 'Content-Length': 0 }).end();
        return;
      }
      if (path.scheme === 'http' && !this.#options.takesPlainHttp)
        throw new RequestRefused(
          403,
          'ERR_FORBIDDEN',
          'the link to the broker is not encrypted: ask for "https:", use a broker at wss://, or --e2e',
        );
      const end = this.#begin();
      response.once('close', end);
      const facts = {
        path,
        proto: kind === 'tls' ? 'https' : 'http',
        authorizationIsOurs,
        token: path.scheme === 'https' ? credentials.current().token : undefined,
        expectsContinue,
        closes: upgrading !== undefined,
        upgrade: upgrading?.(end),
      } as const;
      const refuse = (error: unknown, isLast: boolean): void => this.#refuse(response, error, isLast, mark);
      new Exchange(request, response, targets, facts, refuse).start();
    } catch (error) {
      // A client that waits for "100 Continue" may or may not send its body now: only a new connection is certain.
      this.#refuse(response, error, expectsContinue || upgrading !== undefined, mark);
    }
  }

  #refuse(response: ServerResponse, error: unknown, closes: boolean, mark: DialMark): void {
    const answer = answerFor(error);
    const { status, code, reason } = answer;
    const facts = markFacts(mark);
    this.#options.countRefused(code);
    if (status === 500)
      this.#options.log.error({ event: 'proxy-failed', ...facts, error: String(error) }, 'a request failed');
    // Neither the path nor its query, which may hold secrets.
    else
      this.#options.log.info({ event: 'proxy-refused', ...facts, status, code, reason }, 'request refused');
    sendAnswer(response, answer, closes, mark.id);
  }

  /**
   * One request at a time on each connection: pipelined ones may not be carried out side by side (RFC 9112 §9.3.2),
   * and Node says nothing of the end of a connection to responses whose turn has not come.
   */
  #inTurn(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const { socket } = request;
    const turn = this.#turns.get(socket);
    this.#turns.set(socket, { newest: response, waiting: (turn?.waiting ?? 0) + 1 });
    const go = (): void => {
      const now = this.#turns.get(socket);
      if (now !== undefined) now.waiting -= 1;
      if (socket.destroyed || response.headersSent) return;
      response.once('close', () => discardRest(request));
      begin();
    };
    if (turn === undefined || turn.newest.closed) go();
    else if (turn.waiting < maxPipelined) turn.newest.once('close', go);
    else socket.destroy();
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
    const newest = this.#turns.get(socket)?.newest;
    const answer = unreadable(error);
    this.#options.countRefused(answer.code);
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
