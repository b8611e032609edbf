// The way to a broker from a page: one session, and so one WebSocket, per node, opened by the first dial and shared by
// all. Opens nothing before it is asked to dial, and closes what it opened.

import { nanoid } from 'nanoid';
import type * as z from 'zod/mini';
import {
  type HostHolder,
  type NodeInfo,
  nodesPath,
  nodesSchema,
  resolvePath,
  resolveSchema,
} from '../client/broker-answers.ts';
import { noMeter } from '../client/meter.ts';
import { NodeSessions } from '../client/node-sessions.ts';
import type { RoundTrip } from '../client/round-trips.ts';
import { withinDeadline } from '../link/deadline.ts';
import { linkUrl } from '../link/link-url.ts';
import { FairleadError } from '../protocol/errors.ts';
import { type Status, statusPath, statusSchema } from '../protocol/status.ts';
import { askBroker } from './ask-broker.ts';
import { browserLinks } from './browser-link.ts';
import { type DialedSocket, SocketStreams } from './dialed-socket.ts';
import {
  type ConnectOptions,
  type ConnectSettings,
  type DialOptions,
  parseConnect,
  parseDial,
} from './options.ts';

/** How many agents in a row may be found draining. */
const dialAttempts = 3;

/** What a question to the broker may be given up by. */
export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
}

/** The way to one broker. Its links are shared by all that is dialled, and end when nothing uses them. */
export interface BrokerClient {
  /**
   * A connection to a target, made by the node's agent; resolves once it stands.
   *
   * @throws FairleadError with the reason as its `code`: ERR_NODE_UNREACHABLE, ERR_UNAUTHORIZED, ERR_FORBIDDEN,
   *   ERR_BROKER_UNREACHABLE (where the broker does not allow the page's origin, too), ERR_TARGET_DENIED,
   *   ERR_GRANT_DENIED, ECONNREFUSED, ENOTFOUND, ETIMEDOUT, ERR_ABORTED, …
   * @example
   * const { readable, writable } = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: 8080 });
   */
  dial(options: DialOptions): Promise<DialedSocket>;
  /**
   * The nodes that an agent serves and that the token may dial.
   *
   * @throws FairleadError ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_RATE_LIMIT, ERR_DRAINING, ERR_BROKER_UNREACHABLE
   */
  nodes(options?: AskOptions): Promise<NodeInfo[]>;
  /** The broker, and how it is with the nodes that the token may dial. @throws as {@link nodes} */
  status(options?: AskOptions): Promise<Status>;
  /**
   * The nodes that serve a host and that the token may dial, the best first, at least one.
   *
   * @throws FairleadError ERR_NODE_UNREACHABLE where none does, ERR_CONFIG where it is no host; otherwise as
   *   {@link nodes}
   */
  resolve(host: string, options?: AskOptions): Promise<HostHolder[]>;
  /**
   * How long it takes to a node's agent and back, in ms, and which share of it the broker's side has.
   *
   * @throws FairleadError ERR_NODE_UNREACHABLE, ETIMEDOUT, ERR_ABORTED; otherwise as {@link dial}
   */
  ping(node: string, options?: AskOptions): Promise<RoundTrip>;
  /** Breaks what is open and closes every link. */
  close(): void;
}

/**
 * A client of the broker at `url`, for a page. Nothing is opened before the first dial.
 *
 * @throws FairleadError ERR_CONFIG where an option is not usable
 * @example
 * const broker = connect({ url: 'wss://broker.example.com', token: () => fetchToken() });
 */
export function connect(options: ConnectOptions): BrokerClient {
  return new BrowserClient(parseConnect(options));
}

class BrowserClient implements BrokerClient {
  readonly #settings: ConnectSettings;
  readonly #sessions: NodeSessions;
  /** Ends what waits for an answer. */
  readonly #closed = new AbortController();

  constructor(settings: ConnectSettings) {
    this.#settings = settings;
    this.#sessions = new NodeSessions({ ...settings, links: browserLinks(settings), meter: noMeter });
    // A URL that cannot work is better known now than at the first dial.
    linkUrl(settings, '/', {});
    if (settings.signal?.aborted === true) this.#closed.abort();
    settings.signal?.addEventListener('abort', () => this.close(), { once: true });
  }

  async dial(options: DialOptions): Promise<DialedSocket> {
    const parsed = parseDial(options);
    const id = nanoid();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#dial(parsed, id);
      } catch (error) {
        // An agent that began to drain as we asked: it dialled nothing, and its successor may.
        const isDraining = error instanceof FairleadError && error.code === 'ERR_DRAINING';
        if (!isDraining || attempt === dialAttempts)
          throw error instanceof FairleadError ? error.ofRequest(id) : error;
      }
    }
  }

  async nodes(options: AskOptions = {}): Promise<NodeInfo[]> {
    return (await this.#ask(nodesPath, {}, nodesSchema, options)).nodes;
  }

  status(options: AskOptions = {}): Promise<Status> {
    return this.#ask(statusPath, {}, statusSchema, options);
  }

  async resolve(host: string, options: AskOptions = {}): Promise<HostHolder[]> {
    return (await this.#ask(resolvePath, { host }, resolveSchema, options)).nodes;
  }

  async ping(node: string, { signal }: AskOptions = {}): Promise<RoundTrip> {
    this.#refuseIfClosed();
    // Its name as that of a dial.
    parseDial({ node, host: 'ping', port: 1, signal });
    return await this.#sessions.ping(node, this.#settings.dialTimeoutMs, signal);
  }

  close(): void {
    this.#closed.abort();
    this.#sessions.close();
  }

  async #dial(
    { node, host, port, signal, timeoutMs }: ReturnType<typeof parseDial>,
    id: string,
  ): Promise<DialedSocket> {
    this.#refuseIfClosed();
    if (signal?.aborted === true) throw abortedBy(signal);
    let abort: (() => void) | undefined;
    try {
      return await new Promise<DialedSocket>((resolve, reject) => {
        const streams = new SocketStreams({ resolve, reject });
        const limitMs = timeoutMs ?? this.#settings.dialTimeoutMs;
        const stream = this.#sessions.to(node).open({ host, port, id }, streams.handler, limitMs);
        streams.attach(stream);
        abort = () => {
          stream.reset('ERR_ABORTED', 'the dial was aborted');
          reject(abortedBy(signal));
        };
        signal?.addEventListener('abort', abort, { once: true });
      });
    } finally {
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
    }
  }

  async #ask<Schema extends z.core.$ZodType>(
    path: string,
    query: Record<string, string>,
    schema: Schema,
    { signal }: AskOptions,
  ): Promise<z.infer<Schema>> {
    this.#refuseIfClosed();
    const signals = [this.#closed.signal, ...(signal === undefined ? [] : [signal])];
    return await withinDeadline(this.#settings.dialTimeoutMs, signals, (limit) =>
      askBroker(this.#settings, path, query, schema, limit),
    );
  }

  #refuseIfClosed(): void {
    if (this.#closed.signal.aborted) throw new FairleadError('ERR_CLOSED', 'this broker client was closed');
  }
}

function abortedBy(signal: AbortSignal | undefined): FairleadError {
  return new FairleadError('ERR_ABORTED', 'the dial was aborted', { cause: signal?.reason });
}
