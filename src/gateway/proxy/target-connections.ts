// Connections to targets, and the few that are kept for the next request. A kept one is used only for requests that
// may safely be sent twice: a target may hang up in the very moment in which it is asked again.

import { Agent, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { FairleadError } from '../../protocol/errors.ts';
import type { TargetDialer } from '../target-dialer.ts';
import type { ProxyPath } from './proxy-path.ts';
import type { FollowedCredentials } from './target-credentials.ts';
import { secureTarget } from './target-tls.ts';

/** How long a connection is kept without a request, in ms: less than most servers wait (Node's, 5 s, says so itself). */
const idleMs = 15_000;
const maxIdlePerTarget = 8;
const maxIdle = 256;

/** What a request is sent with, for the agent to connect by. */
export interface TargetRequest extends ClientRequestArgs {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly proxied: ProxyPath;
  /** `signal` once more: Node keeps that from the agent, and its end ends the dial. */
  readonly gone: AbortSignal;
}

export class TargetConnections {
  /** Keeps connections. */
  readonly kept: StreamAgent;
  /** A new connection for each request, closed after it. */
  readonly single: Agent;
  readonly #dialer: TargetDialer;
  readonly #credentials: FollowedCredentials;
  readonly #open = new Set<Duplex>();

  constructor(dialer: TargetDialer, credentials: FollowedCredentials) {
    this.#dialer = dialer;
    this.#credentials = credentials;
    const connect: Connect = (proxied, signal) => this.#connect(proxied, signal);
    const nameOf = (proxied: ProxyPath): string => {
      const { node, host, port } = proxied.target;
      return JSON.stringify([proxied.scheme, node, host, port, credentials.current().generation]);
    };
    this.kept = new StreamAgent(connect, nameOf, true);
    this.single = new StreamAgent(connect, nameOf, false);
  }

  /** Connections that stand, the kept ones included. */
  get open(): number {
    return this.#open.size;
  }

  /** Keeps no connection from now on; those in use go on. */
  drain(): void {
    this.kept.drain();
  }

  destroy(): void {
    this.kept.destroy();
    this.single.destroy();
    for (const socket of this.#open) socket.destroy();
  }

  async #connect(proxied: ProxyPath, signal: AbortSignal): Promise<Duplex> {
    const stream = await this.#dialer.dial(proxied.target, signal);
    if (stream.destroyed)
      throw stream.errored ?? new FairleadError('ECONNRESET', `${proxied.where} hung up at once`);
    this.#count(stream);
    if (proxied.scheme === 'http') return stream;
    const { where, target } = proxied;
    return await secureTarget(
      stream.staysBelowTls(),
      { name: target.host, where },
      this.#credentials.current(),
      signal,
    );
  }

  #count(stream: Duplex): void {
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
  }
}

type Connect = (proxied: ProxyPath, signal: AbortSignal) => Promise<Duplex>;
type Created = (error: Error | null, socket?: Duplex) => void;

/** Node's own pool, over streams. */
class StreamAgent extends Agent {
  readonly #connect: Connect;
  readonly #nameOf: (proxied: ProxyPath) => string;
  #isDraining = false;

  constructor(connect: Connect, nameOf: (proxied: ProxyPath) => string, keepAlive: boolean) {
    super({ keepAlive, maxFreeSockets: maxIdlePerTarget, timeout: idleMs, scheduling: 'lifo' });
    this.#connect = connect;
    this.#nameOf = nameOf;
  }

  drain(): void {
    this.#isDraining = true;
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }

  override getName(options?: object): string {
    return this.#nameOf((options as TargetRequest).proxied);
  }

  override createConnection(options: object, created: Created): undefined {
    const { proxied, gone } = options as TargetRequest;
    this.#connect(proxied, gone).then((socket) => created(null, socket), created);
  }

  override keepSocketAlive(socket: Duplex): boolean {
    let idle = 0;
    for (const sockets of Object.values(this.freeSockets)) idle += sockets?.length ?? 0;
    // Its type says void: it answers whether the target wants the connection kept.
    return !this.#isDraining && idle < maxIdle && (super.keepSocketAlive(socket) as unknown) === true;
  }
}
