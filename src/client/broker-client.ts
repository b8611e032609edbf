// The way to a broker: one session, and so one link, per node, opened by the first dial and shared by all.
// Opens nothing before it is asked to dial, and closes what it opened.

import type * as z from 'zod';
import { E2eDialer } from '../e2e/dialer.ts';
import { withinDeadline } from '../link/deadline.ts';
import { linksTo } from '../link/link.ts';
import { linkUrl } from '../link/link-url.ts';
import { StreamSocket } from '../link/stream-socket.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { OpenRequest } from '../protocol/open.ts';
import { type Status, statusPath, statusSchema } from '../protocol/status.ts';
import type { ByteStream, StreamHandler } from '../protocol/stream.ts';
import {
  type HostHolder,
  type NodeInfo,
  nodesPath,
  nodesSchema,
  resolvePath,
  resolveSchema,
} from './broker-answers.ts';
import { requestBroker } from './broker-request.ts';
import {
  type ConnectOptions,
  type ConnectSettings,
  type DialOptions,
  type PingOptions,
  parseConnect,
  parseDial,
  parsePing,
  type StatusOptions,
} from './connect-options.ts';
import { noMeter } from './meter.ts';
import type { NodeSession } from './node-session.ts';
import { NodeSessions } from './node-sessions.ts';
import { ProcessHold } from './process-hold.ts';
import type { RoundTrip } from './round-trips.ts';
import { SealedStreams } from './sealed-streams.ts';

/** How many agents in a row may be found draining. */
const dialAttempts = 3;

/** The way to one broker. Its links are shared by all that is dialled, and end when nothing uses them. */
export interface BrokerClient extends AsyncDisposable {
  /**
   * A connection to a target, made by the node's agent; resolves once it stands.
   *
   * @throws FairleadError with the reason as its `code`: ERR_NODE_UNREACHABLE, ERR_UNAUTHORIZED,
   *   ERR_FORBIDDEN, ERR_BROKER_UNREACHABLE, ERR_TARGET_DENIED, ERR_GRANT_DENIED, ECONNREFUSED, ENOTFOUND,
   *   ETIMEDOUT, ERR_ABORTED, …
   * @example
   * const socket = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: 22 });
   * const docker = await broker.dial({ node: 'edge-1', path: '/run/docker.sock' });
   */
  dial(options: DialOptions): Promise<StreamSocket>;
  /**
   * As {@link dial}, at once and still connecting: what is written now travels with the request to connect.
   * Failure is the socket's `error` event, as with `net.connect`.
   */
  dialStream(options: DialOptions): StreamSocket;
  /**
   * A stream without a socket around it, usable at once, for those who move bytes themselves. `handler` hears
   * why the dial failed even where the stream has been given another handler since.
   */
  openStream(node: string, request: OpenRequest, handler: StreamHandler): ByteStream;
  /** The nodes that an agent serves and that the token may dial. */
  nodes(options?: { readonly signal?: AbortSignal }): Promise<NodeInfo[]>;
  /**
   * What the broker tells of itself, and of the nodes that the token may dial, as far as it knows.
   *
   * @throws FairleadError as {@link nodes}
   */
  status(options?: StatusOptions): Promise<Status>;
  /**
   * The nodes that serve a host name or address and that the token may dial: those with the best match, the one
   * with the fewest sessions first, at least one.
   *
   * @throws FairleadError ERR_NODE_UNREACHABLE where none does, ERR_CONFIG where it is no host, ERR_E2E where streams
   *   are encrypted end to end and it is no node, since the broker is not to learn of it; otherwise as
   *   {@link nodes}: ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_RATE_LIMIT, ERR_DRAINING, ERR_BROKER_UNREACHABLE
   */
  resolve(host: string, options?: { readonly signal?: AbortSignal }): Promise<HostHolder[]>;
  /**
   * How long it takes to a node's agent and back, and which share of it the broker's side has. The agent is not waited
   * for where it is away.
   *
   * @throws FairleadError ERR_NODE_UNREACHABLE where no agent of the node is connected, ETIMEDOUT where it does not
   *   answer, ERR_ABORTED, ERR_RATE_LIMIT for too many at once; otherwise as {@link dial}
   * @example
   * const { totalMs, brokerMs, agentMs } = await broker.ping('edge-1', { timeoutMs: 2000 });
   */
  ping(node: string, options?: PingOptions): Promise<RoundTrip>;
  /** Breaks what is open and closes every link. */
  close(): Promise<void>;
}

/**
 * A client of the broker at `url`. Nothing is opened before the first dial.
 *
 * @throws FairleadError ERR_CONFIG where an option is not usable
 * @example
 * await using broker = connect({ url: 'wss://broker.example.com', token: () => readFile('token', 'utf8') });
 * const socket = await broker.dial({ node: 'edge-1', host: '10.0.0.5', port: 443 });
 */
export function connect(options: ConnectOptions): BrokerClient {
  return new SharedSessions(parseConnect(options));
}

class SharedSessions implements BrokerClient {
  readonly #settings: ConnectSettings;
  readonly #hold = new ProcessHold();
  readonly #sessions: NodeSessions;
  /** Ends what waits for an answer. */
  readonly #closed = new AbortController();
  /** Present: every stream is encrypted, whatever it costs. */
  readonly #e2e: E2eDialer | undefined;
  readonly #sealed = new WeakMap<NodeSession, SealedStreams>();
  readonly #onAbort = (): void => void this.close();
  #closing: Promise<void> | undefined;

  constructor(settings: ConnectSettings) {
    this.#settings = settings;
    this.#sessions = new NodeSessions({
      ...settings,
      links: linksTo(settings),
      meter: settings.meter ?? noMeter,
    });
    this.#e2e = settings.e2e === undefined ? undefined : new E2eDialer(settings.e2e);
    // A URL that cannot work is better known now than at the first dial.
    linkUrl(this.#settings, '/', {});
    if (settings.signal?.aborted === true) this.#closing = Promise.resolve();
    else settings.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  dialStream(options: DialOptions): StreamSocket {
    const { node, host, port, signal, timeoutMs, allowHalfOpen, requestId, traceparent } = parseDial(options);
    const socket = new StreamSocket({ allowHalfOpen, requestId });
    if (signal?.aborted === true) {
      socket.destroy(abortedBy(signal).ofRequest(requestId));
      return socket;
    }
    try {
      const request = { host, port, id: requestId, traceparent };
      const session = this.#usableSession(node);
      socket.sessionId = session.name;
      const stream = this.#open(session, request, socket.streamHandler, timeoutMs);
      socket.attach(stream, (holds) => this.#hold.change(holds));
    } catch (error) {
      const failure = asError(error);
      socket.destroy(failure instanceof FairleadError ? failure.ofRequest(requestId) : failure);
      return socket;
    }
    if (signal !== undefined) {
      const abort = (): void => void socket.destroy(abortedBy(signal).ofRequest(requestId));
      const forget = (): void => signal.removeEventListener('abort', abort);
      signal.addEventListener('abort', abort, { once: true });
      socket.once('connect', forget).once('close', forget);
    }
    return socket;
  }

  async dial(options: DialOptions): Promise<StreamSocket> {
    const { requestId } = parseDial(options);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await connected(this.dialStream({ ...options, requestId }));
      } catch (error) {
        // An agent that began to drain as we asked: it dialled nothing, and its successor may.
        const isDraining = error instanceof FairleadError && error.code === 'ERR_DRAINING';
        if (!isDraining || attempt === dialAttempts) throw error;
      }
    }
  }

  openStream(node: string, request: OpenRequest, handler: StreamHandler): ByteStream {
    const { host, port, requestId: id, traceparent } = parseDial({ ...request, node, requestId: request.id });
    return this.#open(this.#usableSession(node), { host, port, id, traceparent }, handler);
  }

  async nodes(options: { readonly signal?: AbortSignal } = {}): Promise<NodeInfo[]> {
    return (await this.#ask(nodesPath, {}, nodesSchema, options.signal)).nodes;
  }

  status({ signal, token }: StatusOptions = {}): Promise<Status> {
    return this.#ask(statusPath, {}, statusSchema, signal, token);
  }

  async resolve(host: string, options: { readonly signal?: AbortSignal } = {}): Promise<HostHolder[]> {
    if (this.#e2e !== undefined) {
      // Asks for all of them: the broker is not to learn which one is meant.
      const found = (await this.nodes(options)).find(({ node }) => node === host);
      if (found === undefined) {
        throw new FairleadError(
          'ERR_E2E',
          `"${host}" is no node that is connected, and asking the broker who serves it would tell it: name a node`,
        );
      }
      const sessions = found.instances.reduce((sum, instance) => sum + instance.sessions, 0);
      return [{ node: host, route: host, sessions }];
    }
    return (await this.#ask(resolvePath, { host }, resolveSchema, options.signal)).nodes;
  }

  async ping(node: string, options: PingOptions = {}): Promise<RoundTrip> {
    const { timeoutMs = this.#settings.dialTimeoutMs, signal } = parsePing(node, options);
    this.#hold.change(true);
    try {
      this.#refuseIfClosed();
      return await this.#sessions.ping(node, timeoutMs, signal);
    } finally {
      this.#hold.change(false);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ask<Schema extends z.core.$ZodType>(
    path: string,
    query: Record<string, string>,
    schema: Schema,
    signal: AbortSignal | undefined,
    token?: string,
  ): Promise<z.infer<Schema>> {
    this.#refuseIfClosed();
    const settings = this.#settings;
    const signals = [this.#closed.signal, ...(signal === undefined ? [] : [signal])];
    const access = token === undefined ? settings : { ...settings, token, certificate: undefined };
    return await withinDeadline(settings.dialTimeoutMs, signals, (limit) =>
      requestBroker(access, path, query, schema, limit),
    );
  }

  #open(session: NodeSession, request: OpenRequest, handler: StreamHandler, timeoutMs?: number): ByteStream {
    const limitMs = timeoutMs ?? this.#settings.dialTimeoutMs;
    if (this.#e2e === undefined) return session.open(request, handler, limitMs);
    let sealed = this.#sealed.get(session);
    if (sealed === undefined) {
      sealed = new SealedStreams(session.node, session, this.#e2e, this.#settings.dialTimeoutMs);
      this.#sealed.set(session, sealed);
    }
    return sealed.open(request, handler, limitMs);
  }

  #usableSession(node: string): NodeSession {
    this.#refuseIfClosed();
    return this.#sessions.to(node);
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new FairleadError('ERR_CLOSED', 'this broker client was closed');
  }

  async #closeAll(): Promise<void> {
    this.#settings.signal?.removeEventListener('abort', this.#onAbort);
    this.#closed.abort();
    this.#sessions.close();
    this.#e2e?.close();
  }
}

function connected(socket: StreamSocket): Promise<StreamSocket> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      resolve(socket);
      // What fails in the same turn is told before the caller can listen: it must not end the process. The caller
      // finds the socket destroyed, with the error as its `errored`.
      setImmediate(() => socket.off('error', reject));
    });
  });
}

function abortedBy(signal: AbortSignal): FairleadError {
  return new FairleadError('ERR_ABORTED', 'the dial was aborted', { cause: signal.reason });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
