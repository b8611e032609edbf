// One WebSocket to the broker, for agents and dialers alike. It knows bytes, HELLO and silence; it never knows
// sessions. The token goes into a header at each connect, and into REAUTH, and nowhere else.

import WebSocket, { type ClientOptions } from 'ws';
import {
  type ControlMessage,
  decodeControl,
  encodeControl,
  helloSchema,
  parsePayload,
} from '../protocol/control.ts';
import { requestIdHeader } from '../protocol/dial-mark.ts';
import { controlSession, readSession } from '../protocol/envelope.ts';
import { closeCodes, FairleadError } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import { type BrokerAccess, type Credentials, credentialsOf } from './broker-access.ts';
import {
  type BrokerLink,
  type LinkHandler,
  type LinkMaker,
  linkHighWaterBytes,
  linkLowWaterBytes,
} from './broker-link.ts';
import { connectionOver, secureConnection } from './broker-socket.ts';
import { CertificateRenewal } from './certificate-renewal.ts';
import { closeError, refusalError } from './link-errors.ts';
import { linkUrl } from './link-url.ts';
import { isLoopback } from './loopback.ts';
import { openingsOf } from './openings.ts';
import { tunnelTo } from './proxy-tunnel.ts';
import { unreachable } from './unreachable.ts';

const handshakeTimeoutMs = 10_000;
/** How long a broker that has sent its close frame may leave the connection open, in ms. */
const closeTimeoutMs = 1000;
/** Silence after which the broker is pinged, and after which the path counts as dead, in ms. */
const idleMs = 5000;
const silenceMs = 15_000;
/** Larger than any message that a broker may advertise (control.ts, `helloSchema`). */
const maxPayloadBytes = 16_777_216;

const binary = { binary: true, compress: false };

export class Link implements BrokerLink {
  private readonly handler: LinkHandler;
  private socket: WebSocket | undefined;
  private keepAlive: NodeJS.Timeout | undefined;
  private shown: Credentials | undefined;
  private host = 'the broker';
  /** Aborted once nobody waits any more for a way through a proxy. */
  private readonly opening = new AbortController();
  private state: 'connecting' | 'awaiting-hello' | 'up' | 'closed' = 'connecting';
  private heardAtMs = 0;
  /** The broker was pinged, and nothing was heard since. */
  private isAsked = false;
  private refusal: FairleadError | undefined;
  /** As HELLO said. */
  messagesAreDear = false;
  private readonly onSent = (): void => {
    if (this.state === 'up' && this.bufferedBytes <= linkLowWaterBytes) this.handler.drained();
  };

  /** `path` is `/v1/agent` or `/v1/dial`. The handler hears of everything, errors included. */
  constructor(access: BrokerAccess, path: string, query: Record<string, string>, handler: LinkHandler) {
    this.handler = handler;
    void this.connect(access, path, query);
  }

  /** Bytes handed over and not yet taken by the kernel. */
  get bufferedBytes(): number {
    return this.socket?.bufferedAmount ?? 0;
  }

  get isUp(): boolean {
    return this.state === 'up';
  }

  /** What the link was opened with; undefined until it is known. */
  get credentials(): Credentials | undefined {
    return this.shown;
  }

  /** `message` is not modified and must not be until it is sent. Dropped when the link is not up. */
  send(message: Uint8Array): void {
    if (this.state !== 'up' || this.socket === undefined) return;
    if (this.socket.bufferedAmount + message.length > linkHighWaterBytes) {
      this.socket.send(message, binary, this.onSent);
    } else {
      this.socket.send(message, binary);
    }
  }

  sendControl(type: number, session: bigint = controlSession, body?: object): void {
    this.send(encodeControl(type, session, body));
  }

  /** Ends the link in order; the handler hears of it once it has ended. */
  close(): void {
    this.end(new FairleadError('ERR_CLOSED', 'the link was closed'), 1000);
  }

  private async connect(access: BrokerAccess, path: string, query: Record<string, string>): Promise<void> {
    try {
      const url = linkUrl(access, path, query);
      this.host = url.host;
      const credentials = await credentialsOf(access);
      this.shown = credentials;
      await openingsOf(access).execute(() => this.open(access, url, credentials));
    } catch (error) {
      this.end(unreachable(error, this.host), 1000);
    }
  }

  /** Resolves once it is open or will not be. */
  private async open(access: BrokerAccess, url: URL, credentials: Credentials): Promise<void> {
    try {
      if (this.state === 'closed') return;
      const tunnel = await tunnelTo(url, access, handshakeTimeoutMs, this.opening.signal);
      const isSecure = url.protocol === 'wss:';
      const requestId = this.handler.requestId?.();
      const options: ClientOptions & { readonly closeTimeout: number } = {
        headers: {
          ...credentials.headers,
          ...(requestId === undefined ? {} : { [requestIdHeader]: requestId }),
        },
        handshakeTimeout: handshakeTimeoutMs,
        closeTimeout: closeTimeoutMs,
        maxPayload: maxPayloadBytes,
        perMessageDeflate: false,
        skipUTF8Validation: true,
        ...credentials.tls,
        ...(tunnel ? { createConnection: connectionOver(tunnel, isSecure) } : {}),
        ...(isSecure && !tunnel ? { createConnection: secureConnection } : {}),
        // RFC 6455 §5.3 wants masks against proxies that take frames for HTTP. Inside TLS, or without
        // leaving this machine, there is none, and an all-zero key saves a pass over every byte.
        ...(isSecure || (isLoopback(url.hostname) && tunnel === undefined) ? { generateMask: zeroMask } : {}),
      };
      const socket = new WebSocket(url, 'fairlead.v1', options);
      this.attach(socket);
      await new Promise<void>((resolve) => {
        socket.once('open', resolve);
        socket.once('close', () => resolve());
      });
    } catch (error) {
      this.end(unreachable(error, this.host), 1000);
    }
  }

  private attach(socket: WebSocket): void {
    this.socket = socket;
    socket.on('open', () => {
      this.state = 'awaiting-hello';
      this.heard();
      this.keepAlive = setInterval(() => this.look(), idleMs / 2).unref();
    });
    socket.on('message', (data: Buffer, isBinary: boolean) => this.onMessage(data, isBinary));
    socket.on('ping', () => this.heard());
    socket.on('pong', () => this.heard());
    socket.on('unexpected-response', (request, response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= 65_536) chunks.push(chunk);
      });
      const done = () => {
        this.refusal = refusalError(
          response.statusCode ?? 0,
          Buffer.concat(chunks).toString(),
          this.shown?.token === undefined ? 'certificate' : 'token',
        );
        request.destroy();
        this.end(this.refusal, 1000);
      };
      response.on('end', done);
      response.on('error', done);
    });
    socket.on('error', (error) => this.end(unreachable(error, this.host), 1000));
    socket.on('close', (code, reason) => this.end(closeError(code, reason.toString()), 1000));
  }

  private onMessage(data: Buffer, isBinary: boolean): void {
    this.heard();
    if (this.state === 'closed') return;
    if (!isBinary) {
      this.end(new FairleadError('ERR_PROTOCOL', 'the broker sent a text message'), closeCodes.unsupported);
      return;
    }
    if (readSession(data) !== controlSession) {
      if (this.state === 'up') this.handler.message(data);
      return;
    }
    try {
      for (const message of decodeControl(data)) this.onControl(message);
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.end(error, closeCodes.protocol);
    }
  }

  private onControl(message: ControlMessage): void {
    if (this.state === 'awaiting-hello') {
      if (message.type !== frameTypes.HELLO) {
        throw new FairleadError('ERR_PROTOCOL', 'the broker did not begin with HELLO');
      }
      const hello = parsePayload(helloSchema, message.payload);
      this.state = 'up';
      this.messagesAreDear = hello.messagesAreDear ?? false;
      this.handler.hello(hello);
    } else if (this.state === 'up') {
      this.handler.control(message);
    }
  }

  private heard(): void {
    this.heardAtMs = performance.now();
    this.isAsked = false;
  }

  private look(): void {
    const silent = performance.now() - this.heardAtMs;
    if (silent >= silenceMs) {
      this.end(
        new FairleadError(
          'ERR_BROKER_UNREACHABLE',
          `nothing was heard of the broker for ${Math.round(silent)} ms`,
        ),
        closeCodes.keepAlive,
      );
    } else if (silent >= idleMs / 2) {
      const wasAsked = this.isAsked;
      this.isAsked = true;
      this.socket?.ping();
      if (wasAsked) this.handler.silent?.();
    }
  }

  private end(error: FairleadError, code: number): void {
    if (this.state === 'closed') return;
    const wasOpen = this.state !== 'connecting';
    this.state = 'closed';
    this.opening.abort();
    clearInterval(this.keepAlive);
    const { socket } = this;
    if (socket !== undefined) {
      // A dead path answers nothing: what is not closed in order soon is cut.
      socket.on('error', () => {});
      if (wasOpen && code !== closeCodes.keepAlive) {
        socket.close(code);
        setTimeout(() => socket.terminate(), 1000).unref();
      } else {
        socket.terminate();
      }
    }
    this.handler.closed(error);
  }
}

/** Links of this kind, for a keeper. */
export function linksTo(access: BrokerAccess): LinkMaker {
  return {
    access,
    open: (path, query, handler) => new Link(access, path, query, handler),
    watchCertificate: (renewed) => new CertificateRenewal(access, renewed),
  };
}

function zeroMask(mask: Buffer): void {
  mask.fill(0);
}
