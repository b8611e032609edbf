// The status page of a gateway, on a listener of its own: at the proxy paths it would share its origin with whatever
// pages of targets come through them. Shows everything to whoever is at this machine, and to others what their token shows.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { asksLocally } from '../link/local-request.ts';
import { dataHeaders, page, pageHeaders } from '../page/served.ts';
import { FairleadError } from '../protocol/errors.ts';
import { statusPath } from '../protocol/status.ts';
import type { Front } from './front.ts';
import type { GatewayLog } from './gateway-log.ts';
import { refusal } from './http-answer.ts';
import { lastAnswer } from './last-answer.ts';
import type { GatewayAddress } from './listener.ts';
import { type Outcome, outcomeOf, refused } from './outcome.ts';
import type { StatusSource } from './shown-status.ts';

const maxHeadBytes = 16_384;

export interface StatusFrontOptions {
  readonly source: StatusSource;
  readonly kind: GatewayAddress['kind'];
  /** True where plain addresses are for those who have a password: then being at this machine is not enough. */
  readonly asksPasswords: boolean;
  /** Longest that a client may take to send its head, in ms. */
  readonly headTimeoutMs: number;
  readonly log: GatewayLog;
}

export class StatusFront implements Front {
  readonly name = 'status';
  readonly fullAnswer = refusal(
    refused(503, 'ERR_RATE_LIMIT', 'the gateway has as many connections as it may'),
  );
  readonly #options: StatusFrontOptions;
  readonly #parser: Server;
  /** Those whose head has not come. */
  readonly #expected = new Set<Socket>();

  constructor(options: StatusFrontOptions) {
    this.#options = options;
    // It never listens itself: it is given connections, and parses. One request for each.
    this.#parser = createServer({ maxHeaderSize: maxHeadBytes, keepAlive: false });
    this.#parser.on('request', (request, response) => {
      this.#expected.delete(request.socket);
      void this.#answer(request, response);
    });
    this.#parser.on('clientError', (_, socket) => {
      this.#expected.delete(socket as Socket);
      lastAnswer(socket as Socket, refusal(refused(400, 'ERR_PROTOCOL', 'that is no HTTP request')));
    });
  }

  serve(socket: Socket): void {
    this.#expected.add(socket);
    const timer = setTimeout(() => {
      if (this.#expected.has(socket)) socket.destroy();
    }, this.#options.headTimeoutMs).unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#expected.delete(socket);
    });
    this.#parser.emit('connection', socket);
  }

  drain(): void {
    for (const socket of [...this.#expected]) socket.destroy();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.shouldKeepAlive = false;
    const path = (request.url ?? '').split('?', 1)[0];
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD')
        refuse(response, refused(405, 'ERR_PROTOCOL', 'only GET is for here'), { allow: 'GET, HEAD' });
      else if (path === '/') response.writeHead(200, pageHeaders).end(page);
      else if (path === statusPath) {
        const status = JSON.stringify(await this.#statusFor(request));
        response.writeHead(200, { ...dataHeaders, 'content-type': 'application/json' }).end(status);
      } else refuse(response, refused(404, 'ERR_PROTOCOL', 'there is nothing at this path'));
    } catch (error) {
      this.#failed(response, error);
    }
  }

  /** @throws FairleadError */
  async #statusFor(request: IncomingMessage): Promise<object> {
    const { source, kind, asksPasswords } = this.#options;
    const { authorization, origin, host = '' } = request.headers;
    if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase()))
      throw new FairleadError('ERR_FORBIDDEN', 'this is not for pages of other sites');
    if (authorization === undefined) {
      // Who may open a socket's file, the file system has said.
      const isHere = kind === 'unix' || (kind === 'tcp' && !asksPasswords && asksLocally(request));
      if (isHere) return await source.own();
    }
    const token = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined)
      throw new FairleadError('ERR_UNAUTHORIZED', 'a dial token is needed: send "Authorization: Bearer …"');
    return await source.of(token);
  }

  #failed(response: ServerResponse, error: unknown): void {
    const outcome = outcomeOf(error);
    if (outcome.status === 500)
      this.#options.log.error({ event: 'status-failed', error: String(error) }, 'the status page failed');
    if (error instanceof FairleadError && error.code === 'ERR_UNAUTHORIZED')
      refuse(response, { ...outcome, status: 401 }, { 'www-authenticate': 'Bearer' });
    else if (error instanceof FairleadError && error.code === 'ERR_RATE_LIMIT')
      refuse(response, { ...outcome, status: 429 }, { 'retry-after': '60' });
    else refuse(response, outcome);
  }
}

function refuse(
  response: ServerResponse,
  { status, code, reason }: Outcome,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...dataHeaders, ...headers, 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { code, message: reason } }));
}
