// SOCKS5's CONNECT (RFC 1928), with user and password (RFC 1929) where the gateway has some. One state per connection,
// left at the latest when the handshake's time is over.

import type { Socket } from 'node:net';
import { nanoid } from 'nanoid';
import type { ErrorCode } from '../protocol/errors.ts';
import type { Credentials } from './credentials.ts';
import type { Front } from './front.ts';
import { lastAnswer } from './last-answer.ts';
import { socksReplies } from './outcome.ts';
import {
  credentialsAnswer,
  methodChosen,
  type Parsed,
  readCredentials,
  readGreeting,
  readRequest,
  requestAnswer,
  type SocksTarget,
  socksMethods,
} from './socks5-messages.ts';
import { serveTunnel, type TunnelContext } from './tunnel.ts';

export interface Socks5Options extends TunnelContext {
  /** Longest that a client may take for its handshake, in ms. */
  readonly headTimeoutMs: number;
  /** Undefined: nobody is asked. */
  readonly credentials: Credentials | undefined;
}

export class Socks5Front implements Front {
  readonly name = 'socks5';
  /** Nothing that SOCKS5 could say before the client has spoken. */
  readonly fullAnswer = Buffer.alloc(0);
  readonly #options: Socks5Options;
  readonly #handshakes = new Set<Handshake>();

  constructor(options: Socks5Options) {
    this.#options = options;
  }

  serve(socket: Socket): void {
    const handshake: Handshake = new Handshake(socket, this.#options, () =>
      this.#handshakes.delete(handshake),
    );
    this.#handshakes.add(handshake);
  }

  drain(): void {
    for (const handshake of [...this.#handshakes]) handshake.abandon();
  }
}

type Phase = 'greeting' | 'credentials' | 'request' | 'done';

class Handshake {
  readonly #socket: Socket;
  readonly #options: Socks5Options;
  readonly #ended: () => void;
  readonly #timer: NodeJS.Timeout;
  #phase: Phase = 'greeting';
  /** At most one message and one read: no message has more than 513 bytes. */
  #bytes: Buffer = Buffer.alloc(0);
  readonly #onData = (chunk: Buffer): void => this.#receive(chunk);
  readonly #abandon = (): void => this.abandon();

  constructor(socket: Socket, options: Socks5Options, ended: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#ended = ended;
    this.#timer = setTimeout(this.#abandon, options.headTimeoutMs).unref();
    socket.on('data', this.#onData).once('end', this.#abandon).once('close', this.#abandon);
  }

  abandon(): void {
    this.#finish();
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (this.#step()) {
      // One read may bring several messages.
    }
  }

  /** False where there is nothing to go on with. */
  #step(): boolean {
    switch (this.#phase) {
      case 'greeting': {
        const methods = this.#take(readGreeting(this.#bytes), () => Buffer.alloc(0));
        if (methods === undefined) return false;
        return this.#choose(methods);
      }
      case 'credentials': {
        const given = this.#take(readCredentials(this.#bytes), () => credentialsAnswer(false));
        if (given === undefined) return false;
        if (this.#options.credentials?.accept(given.user, given.password) !== true) {
          this.#refuse(credentialsAnswer(false), 'ERR_UNAUTHORIZED', 'a user or password that is not known');
          return false;
        }
        this.#phase = 'request';
        this.#socket.write(credentialsAnswer(true));
        return true;
      }
      case 'request': {
        const target = this.#take(readRequest(this.#bytes), requestAnswer);
        if (target !== undefined) this.#dial(target);
        return false;
      }
      case 'done':
        return false;
    }
  }

  #choose(methods: ReadonlySet<number>): boolean {
    const wanted = this.#options.credentials === undefined ? socksMethods.none : socksMethods.password;
    if (!methods.has(wanted)) {
      this.#refuse(
        methodChosen(socksMethods.noneAcceptable),
        'ERR_UNAUTHORIZED',
        'no method that is offered here',
      );
      return false;
    }
    this.#phase = wanted === socksMethods.none ? 'request' : 'credentials';
    this.#socket.write(methodChosen(wanted));
    return true;
  }

  #take<T>(parsed: Parsed<T>, answer: (reply: number) => Buffer): T | undefined {
    if (parsed.kind === 'more') return undefined;
    if (parsed.kind === 'malformed') {
      this.#refuse(answer(parsed.reply), 'ERR_PROTOCOL', parsed.why);
      return undefined;
    }
    this.#bytes = this.#bytes.subarray(parsed.bytes);
    return parsed.value;
  }

  #dial(target: SocksTarget): void {
    this.#finish();
    this.#socket.pause();
    void serveTunnel(
      {
        client: this.#socket,
        early: this.#bytes,
        target: { ...target, id: nanoid() },
        connected: () => requestAnswer(socksReplies.succeeded),
        refused: ({ socksReply }) => requestAnswer(socksReply),
      },
      this.#options,
    );
  }

  #refuse(answer: Buffer, code: ErrorCode, why: string): void {
    this.#finish();
    this.#options.countRefused(code);
    this.#options.log.info({ event: 'socks5-refused', reason: why }, 'connection refused');
    lastAnswer(this.#socket, answer);
  }

  #finish(): void {
    this.#phase = 'done';
    clearTimeout(this.#timer);
    this.#socket.off('data', this.#onData).off('end', this.#abandon).off('close', this.#abandon);
    this.#ended();
  }
}
