// One request and what becomes of it: sent to its target and answered as the target answers, byte by byte as it comes.
// Holds no body; whichever side goes, the other is told.

import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { Duplex } from 'node:stream';
import { FairleadError } from '../../protocol/errors.ts';
import { type Framing, framingOf, requestFields, responseFields, trailerFields } from './fields.ts';
import type { ProxyPath } from './proxy-path.ts';
import { RequestRefused } from './request-refused.ts';
import type { TargetConnections, TargetRequest } from './target-connections.ts';
import { tlsFailureMessage } from './target-tls.ts';

/** Interim responses that one target may send before its own. */
const maxInterim = 16;
const maxHeadBytes = 16_384;

/** Longest that a target takes to answer a request to switch protocols, in ms: nobody has anything to wait for. */
const switchTimeoutMs = 60_000;

/** A request to switch to another protocol on its connection. */
export interface Upgrade {
  /** As the client names it. */
  readonly protocol: string;
  /** The target has agreed: `fields` are its answer's, `head` what came with it. */
  switched(incoming: IncomingMessage, fields: readonly string[], socket: Duplex, head: Buffer): void;
}

export interface ExchangeFacts {
  readonly path: ProxyPath;
  readonly proto: 'http' | 'https';
  readonly authorizationIsOurs: boolean;
  readonly token: string | undefined;
  /** The client waits for "100 Continue" before it sends its body. */
  readonly expectsContinue: boolean;
  /** The connection is to end with this exchange. */
  readonly closes: boolean;
  readonly upgrade: Upgrade | undefined;
}

export class Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #targets: TargetConnections;
  readonly #facts: ExchangeFacts;
  readonly #answerFailure: (error: unknown, closes: boolean) => void;
  readonly #gone = new AbortController();
  #framing: Framing = { kind: 'none' };
  #outgoing: ClientRequest | undefined;
  #mayContinue: boolean;
  /** The target's answer, or ours, is on its way, or the connection has been handed over. */
  #isAnswered = false;

  /** `answerFailure` ends the response with what the gateway has to say; no head has been sent. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    targets: TargetConnections,
    facts: ExchangeFacts,
    answerFailure: (error: unknown, closes: boolean) => void,
  ) {
    this.#request = request;
    this.#response = response;
    this.#targets = targets;
    this.#facts = facts;
    this.#answerFailure = answerFailure;
    this.#mayContinue = !facts.expectsContinue;
    response.once('close', () => this.#clientDone());
  }

  /** @throws RequestRefused where the request is not one that can be passed on */
  start(): void {
    const { method = 'GET' } = this.#request;
    const { upgrade } = this.#facts;
    this.#framing = framingOf(this.#request);
    // RFC 9110 §9.3.8: its answer is the request, the gateway's credentials for the target included.
    if (method === 'TRACE') throw new RequestRefused(405, 'ERR_FORBIDDEN', 'TRACE is not passed on');
    if (upgrade !== undefined && hasBody(this.#framing))
      // It cannot be told from the first bytes of the other protocol.
      throw new RequestRefused(400, 'ERR_PROTOCOL', 'a request to switch protocols has no body');
    const isSafeTwice =
      ['GET', 'HEAD', 'OPTIONS'].includes(method) && this.#framing.kind === 'none' && upgrade === undefined;
    this.#send(isSafeTwice ? 'kept' : 'single', isSafeTwice);
  }

  #send(pool: 'kept' | 'single', mayRetry: boolean): void {
    const { path, upgrade } = this.#facts;
    const fields = requestFields(this.#request, {
      ...this.#facts,
      framing: this.#framing,
      upgrade: upgrade?.protocol,
    });
    const options: TargetRequest = {
      agent: this.#targets[pool],
      method: this.#request.method ?? 'GET',
      path: path.rest,
      headers: fields,
      signal: this.#gone.signal,
      gone: this.#gone.signal,
      maxHeaderSize: maxHeadBytes,
      insecureHTTPParser: false,
      proxied: path,
    };
    let outgoing: ClientRequest;
    try {
      outgoing = httpRequest(options);
    } catch {
      // What Node's parser let in and its writer would not let out.
      throw new RequestRefused(400, 'ERR_PROTOCOL', 'the request has a character that cannot be passed on');
    }
    this.#outgoing = outgoing;
    outgoing.on('error', (error) => {
      if (this.#isAnswered) this.#cut();
      else if (mayRetry && outgoing.reusedSocket && !this.#gone.signal.aborted) this.#send('single', false);
      else this.#refuse(targetFailure(error, path));
    });
    // Without an error, too: a target that switches protocols though nobody asked it to is dropped by Node in silence.
    outgoing.once('close', () => {
      if (this.#isAnswered || outgoing !== this.#outgoing) return;
      this.#refuse(targetFailure(Object.assign(new Error('closed'), { code: 'ECONNRESET' }), path));
    });
    let interim = 0;
    outgoing.on('information', (info) => {
      interim += 1;
      if (interim <= maxInterim) this.#interim(info.statusCode, info.rawHeaders);
    });
    outgoing.on('response', (incoming) => this.#answer(incoming));
    if (upgrade !== undefined) {
      this.#switch(outgoing, upgrade);
    } else if (this.#framing.kind === 'none') {
      outgoing.end();
    } else {
      // Waiting for a body that may be long in coming, the target hears of the request now.
      outgoing.flushHeaders();
      this.#request.pipe(outgoing, { end: false });
      this.#request.once('end', () => {
        if (this.#framing.kind === 'chunked') outgoing.addTrailers(trailerFields(this.#request.rawTrailers));
        outgoing.end();
      });
    }
  }

  #switch(outgoing: ClientRequest, upgrade: Upgrade): void {
    const limit = new FairleadError('ETIMEDOUT', `${this.#facts.path.where} did not answer in time`);
    const timer = setTimeout(() => outgoing.destroy(limit), switchTimeoutMs).unref();
    outgoing.once('close', () => clearTimeout(timer));
    outgoing.once('response', () => clearTimeout(timer));
    outgoing.once('upgrade', (incoming, socket, head) => {
      clearTimeout(timer);
      this.#isAnswered = true;
      const facts = {
        path: this.#facts.path,
        framing: { kind: 'none' },
        mayBeChunked: false,
        closes: false,
      } as const;
      upgrade.switched(incoming, responseFields(incoming, facts), socket, head);
    });
    outgoing.end();
  }

  #interim(status: number, rawHeaders: readonly string[]): void {
    // RFC 9110 §15.2: HTTP/1.0 knows no interim responses.
    if (this.#request.httpVersion !== '1.1' || this.#response.headersSent) return;
    if (status === 100) {
      if (this.#mayContinue) return;
      this.#mayContinue = true;
      this.#response.writeContinue();
    } else if (status === 102) {
      this.#response.writeProcessing();
    } else if (status === 103) {
      const hints: Record<string, string[]> = {};
      for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
        const name = (rawHeaders[i] ?? '').toLowerCase();
        if (name === 'link') hints.link = [...(hints.link ?? []), rawHeaders[i + 1] ?? ''];
      }
      try {
        this.#response.writeEarlyHints(hints);
      } catch {
        // Hints may be left out; malformed ones are.
      }
    }
  }

  #answer(incoming: IncomingMessage): void {
    const response = this.#response;
    const request = this.#request;
    incoming.on('error', () => this.#cut());
    try {
      const framing = framingOf(incoming);
      const closes = this.#facts.closes || !this.#mayContinue;
      const mayBeChunked =
        request.httpVersion === '1.1' &&
        request.method !== 'HEAD' &&
        incoming.statusCode !== 204 &&
        incoming.statusCode !== 304;
      const fields = responseFields(incoming, { path: this.#facts.path, framing, mayBeChunked, closes });
      response.sendDate = false;
      response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? '', fields);
      this.#isAnswered = true;
      if (mayBeChunked && framing.kind === 'chunked')
        incoming.once('end', () => response.addTrailers(trailerFields(incoming.rawTrailers)));
    } catch (error) {
      this.#outgoing?.destroy();
      this.#refuse(
        new FairleadError(
          'ERR_TARGET_FAILED',
          `${this.#facts.path.where} answered what cannot be passed on`,
          {
            cause: error,
          },
        ),
      );
      return;
    }
    // A log that is followed has its head long before its first line.
    response.flushHeaders();
    incoming.pipe(response);
  }

  #refuse(error: unknown): void {
    if (this.#response.destroyed || this.#response.headersSent) return;
    this.#isAnswered = true;
    this.#stopSending();
    this.#answerFailure(error, this.#facts.closes || !this.#mayContinue);
  }

  /** Half an answer was sent: that the rest is lost can be told by the connection only. */
  #cut(): void {
    this.#response.destroy();
  }

  /** The response was sent, or its connection is gone. */
  #clientDone(): void {
    if (!this.#response.writableFinished) {
      this.#gone.abort();
      return;
    }
    if (this.#request.complete) return;
    // The target answered before it had read all; what is still to come concerns nobody.
    this.#outgoing?.destroy();
    this.#stopSending();
  }

  /** What is still to come of the request goes to nobody. */
  #stopSending(): void {
    if (this.#outgoing !== undefined) this.#request.unpipe(this.#outgoing);
    this.#request.resume();
  }
}

function hasBody(framing: Framing): boolean {
  return framing.kind === 'chunked' || (framing.kind === 'length' && Number(framing.bytes) > 0);
}

/** What the client is told of a request that did not come to an answer. */
function targetFailure(error: unknown, { where }: ProxyPath): FairleadError {
  if (error instanceof FairleadError) return error;
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  const cause = { cause: error };
  const tls = tlsFailureMessage(error, where);
  if (tls !== undefined) return new FairleadError('ERR_TARGET_FAILED', tls, cause);
  if (code === 'HPE_HEADER_OVERFLOW')
    return new FairleadError(
      'ERR_TARGET_FAILED',
      `${where} answered with more than ${maxHeadBytes} bytes of head`,
      cause,
    );
  if (code.startsWith('HPE_'))
    return new FairleadError(
      'ERR_TARGET_FAILED',
      `${where} did not answer in HTTP (${code}): is it "https:"?`,
      cause,
    );
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return new FairleadError(code, `${where} closed the connection before it answered`, cause);
  return new FairleadError('ERR_TARGET_FAILED', `${where}: ${message}`, cause);
}
