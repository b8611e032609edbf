// A link to the broker over a browser's own WebSocket, which can set no header, hears no ping and is told no reason why a
// connection failed. The token goes among the subprotocols, into the header of the one request that asks for a reason,
// and into REAUTH, and nowhere else.

import { type BrokerAccess, type Credentials, credentialsOf } from '../link/broker-access.ts';
import {
  type BrokerLink,
  type LinkHandler,
  type LinkMaker,
  linkHighWaterBytes,
  linkLowWaterBytes,
} from '../link/broker-link.ts';
import { closeError } from '../link/link-errors.ts';
import { linkUrl } from '../link/link-url.ts';
import { decodeControl, encodeControl, helloSchema, parsePayload } from '../protocol/control.ts';
import { controlSession, readSession } from '../protocol/envelope.ts';
import { closeCodes, FairleadError } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import { whyNoLink } from './why-no-link.ts';

const subprotocol = 'fairlead.v1';
const tokenProtocol = 'base64url.bearer.authorization.fairlead.';

const handshakeTimeoutMs = 10_000;
/** Silence after which the broker is asked for a sign of life, and how long it may take to give one, in ms. */
const idleMs = 5000;
const patienceMs = 10_000;
/** How often a full queue is looked at, in ms: nothing tells when a browser has sent. */
const drainLookMs = 5;

class BrowserLink implements BrokerLink {
  readonly #handler: LinkHandler;
  #state: 'connecting' | 'awaiting-hello' | 'up' | 'closed' = 'connecting';
  #socket: WebSocket | undefined;
  #credentials: Credentials | undefined;
  #messagesAreDear = false;
  #heardAtMs = 0;
  /** When the broker was asked for a sign of life that it has not given. */
  #askedAtMs: number | undefined;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #handshake: ReturnType<typeof setTimeout> | undefined;
  #drain: ReturnType<typeof setInterval> | undefined;

  constructor(access: BrokerAccess, path: string, query: Record<string, string>, handler: LinkHandler) {
    this.#handler = handler;
    void this.#connect(access, path, query);
  }

  get bufferedBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get messagesAreDear(): boolean {
    return this.#messagesAreDear;
  }

  get credentials(): Credentials | undefined {
    return this.#credentials;
  }

  send(message: Uint8Array): void {
    if (this.#state !== 'up' || this.#socket === undefined) return;
    // The browser copies it.
    this.#socket.send(message as Uint8Array<ArrayBuffer>);
    if (this.#socket.bufferedAmount > linkHighWaterBytes)
      this.#drain ??= setInterval(() => this.#lookForRoom(), drainLookMs);
  }

  sendControl(type: number, session: bigint = controlSession, body?: object): void {
    this.send(encodeControl(type, session, body));
  }

  close(): void {
    this.#end(new FairleadError('ERR_CLOSED', 'the link was closed'), 1000);
  }

  async #connect(access: BrokerAccess, path: string, query: Record<string, string>): Promise<void> {
    try {
      const url = linkUrl(access, path, query);
      const credentials = await credentialsOf(access);
      if (this.#state === 'closed') return;
      this.#credentials = credentials;
      const token = credentials.token ?? '';
      const socket = new WebSocket(url, [subprotocol, tokenProtocol + toBase64url(token)]);
      socket.binaryType = 'arraybuffer';
      this.#attach(socket, () => whyNoLink(access, query.node ?? '', token));
    } catch (error) {
      const isOurs = error instanceof FairleadError;
      this.#end(
        isOurs ? error : new FairleadError('ERR_BROKER_UNREACHABLE', String(error), { cause: error }),
      );
    }
  }

  /** `explain` finds out why a connection that never stood did not. */
  #attach(socket: WebSocket, explain: () => Promise<FairleadError>): void {
    this.#socket = socket;
    this.#handshake = setTimeout(
      () => this.#end(new FairleadError('ERR_BROKER_UNREACHABLE', 'the broker did not answer in time')),
      handshakeTimeoutMs,
    );
    socket.onopen = () => {
      if (this.#state === 'closed') return;
      this.#state = 'awaiting-hello';
      this.#heard();
      this.#keepAlive = setInterval(() => this.#look(), idleMs / 2);
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#received(data);
    socket.onclose = ({ code, reason }) => {
      if (this.#state === 'closed') return;
      if (this.#state !== 'connecting') this.#end(closeError(code, reason));
      else void explain().then((error) => this.#end(error));
    };
  }

  #received(data: unknown): void {
    if (this.#state === 'closed') return;
    this.#heard();
    if (!(data instanceof ArrayBuffer)) {
      this.#end(new FairleadError('ERR_PROTOCOL', 'the broker sent a text message'), closeCodes.unsupported);
      return;
    }
    const message = new Uint8Array(data);
    try {
      if (readSession(message) !== controlSession) {
        if (this.#state === 'up') this.#handler.message(message);
        return;
      }
      for (const control of decodeControl(message)) {
        if (this.#state === 'up') this.#handler.control(control);
        else if (control.type !== frameTypes.HELLO)
          throw new FairleadError('ERR_PROTOCOL', 'the broker did not begin with HELLO');
        else {
          const hello = parsePayload(helloSchema, control.payload);
          clearTimeout(this.#handshake);
          this.#state = 'up';
          this.#messagesAreDear = hello.messagesAreDear ?? false;
          this.#handler.hello(hello);
        }
      }
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.#end(error, closeCodes.protocol);
    }
  }

  #heard(): void {
    this.#heardAtMs = performance.now();
    this.#askedAtMs = undefined;
  }

  /** Asks first, and cuts only what was asked and did not answer: timers of a page in the background come late. */
  #look(): void {
    const now = performance.now();
    if (this.#askedAtMs !== undefined && now - this.#askedAtMs >= patienceMs)
      this.#end(
        new FairleadError('ERR_BROKER_UNREACHABLE', 'the broker does not answer'),
        closeCodes.keepAlive,
      );
    else if (this.#askedAtMs === undefined && now - this.#heardAtMs >= idleMs / 2) {
      this.#askedAtMs = now;
      this.sendControl(frameTypes.PING);
    }
  }

  #lookForRoom(): void {
    if (this.#state === 'up' && this.bufferedBytes > linkLowWaterBytes) return;
    clearInterval(this.#drain);
    this.#drain = undefined;
    if (this.#state === 'up') this.#handler.drained();
  }

  #end(error: FairleadError, code = 1000): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#handshake);
    clearInterval(this.#keepAlive);
    clearInterval(this.#drain);
    this.#socket?.close(code);
    this.#handler.closed(error);
  }
}

/** Links of this kind, for a keeper. */
export function browserLinks(access: BrokerAccess): LinkMaker {
  return { access, open: (path, query, handler) => new BrowserLink(access, path, query, handler) };
}

/** RFC 4648 §5, without padding. */
function toBase64url(text: string): string {
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
