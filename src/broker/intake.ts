// The broker's front door: which TCP connections are served at all, decided before a byte of them is read and
// before any TLS. Holds one small entry per open connection, and knows nothing of what they carry.

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { LateResets } from './late-resets.ts';
import type { BrokerLimits } from './limits.ts';
import { type Sources, sourceOf } from './source.ts';
import { SourceCount } from './source-count.ts';
import { SourceRate } from './source-rate.ts';

/** Why a connection was not served, or not for longer. */
type IntakeRefusal =
  | 'connections'
  | 'connections-per-address'
  | 'connections-per-second'
  | 'unfinished'
  | 'unfinished-per-address';

type IntakeLimits = Pick<
  BrokerLimits,
  | 'maxConnections'
  | 'maxConnectionsPerAddress'
  | 'maxConnectionsPerSecond'
  | 'maxUnfinished'
  | 'maxUnfinishedPerAddress'
>;

/** No request has come on it yet. */
interface Unfinished {
  readonly socket: Socket;
  /** Undefined for a proxy, whose connections are of many clients. */
  readonly source: string | undefined;
}

export class Intake {
  readonly refused: Record<IntakeRefusal, number> = {
    connections: 0,
    'connections-per-address': 0,
    'connections-per-second': 0,
    unfinished: 0,
    'unfinished-per-address': 0,
  };
  accepted = 0;
  readonly #limits: IntakeLimits;
  readonly #sources: Sources;
  readonly #rate: SourceRate;
  readonly #resets = new LateResets();
  readonly #open = new SourceCount();
  readonly #unfinishedOf = new SourceCount();
  /** By the peer's address and port, the oldest first. */
  readonly #unfinished = new Map<string, Unfinished>();
  #connections = 0;

  constructor(limits: IntakeLimits, sources: Sources) {
    this.#limits = limits;
    this.#sources = sources;
    this.#rate = new SourceRate(limits.maxConnectionsPerSecond, 1);
  }

  get connections(): number {
    return this.#connections;
  }

  get unfinished(): number {
    return this.#unfinished.size;
  }

  /** Stands before whatever `server` does with its connections, the TLS handshake included. */
  guard(server: Server): void {
    const own = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      void this.#admit(socket).then((why) => {
        if (why === undefined) for (const listener of own) listener.call(server, socket);
        else if (why !== 'gone') {
          this.refused[why]++;
          this.#resets.reset(socket);
        }
      });
    });
    server.on('request', (request) => this.#finished(keyOf(request.socket)));
    server.on('upgrade', (request) => this.#finished(keyOf(request.socket)));
  }

  /** Whether as many connections as may be are open for `source`. */
  isCrowded(source: string): boolean {
    return this.#open.of(source) >= this.#limits.maxConnectionsPerAddress;
  }

  /** A link through a proxy counts for its client. Answers what to call at its end. */
  enterProxied(source: string): () => void {
    this.#open.enter(source);
    return () => this.#open.leave(source);
  }

  async #admit(socket: Socket): Promise<IntakeRefusal | 'gone' | undefined> {
    const { remoteAddress } = socket;
    socket.on('error', ignore);
    if (remoteAddress === undefined) {
      socket.destroy();
      return 'gone';
    }
    const source = this.#sources.isProxy(remoteAddress) ? undefined : sourceOf(remoteAddress);
    if (source !== undefined && (await this.#rate.take(source)) > 0) return 'connections-per-second';
    const { maxConnections, maxUnfinished } = this.#limits;
    if (this.#connections >= maxConnections) return 'connections';
    const full = source === undefined ? undefined : this.#isFull(source);
    if (full !== undefined) return full;
    if (this.#unfinished.size >= maxUnfinished) this.#dropOldest();
    this.#enter(socket, source);
    socket.off('error', ignore);
    return undefined;
  }

  #isFull(source: string): IntakeRefusal | undefined {
    if (this.isCrowded(source)) return 'connections-per-address';
    const isFull = this.#unfinishedOf.of(source) >= this.#limits.maxUnfinishedPerAddress;
    return isFull ? 'unfinished-per-address' : undefined;
  }

  #enter(socket: Socket, source: string | undefined): void {
    const key = keyOf(socket);
    this.accepted++;
    this.#connections++;
    this.#unfinished.set(key, { socket, source });
    if (source !== undefined) {
      this.#open.enter(source);
      this.#unfinishedOf.enter(source);
    }
    socket.once('close', () => {
      this.#connections--;
      if (source !== undefined) this.#open.leave(source);
      this.#finished(key);
    });
  }

  /** Whoever means it sends a request at once: those who wait longest are the ones to let go. */
  #dropOldest(): void {
    const [oldest] = this.#unfinished;
    if (oldest === undefined) return;
    const [key, { socket }] = oldest;
    this.refused.unfinished++;
    this.#finished(key);
    socket.destroy();
  }

  #finished(key: string): void {
    const entry = this.#unfinished.get(key);
    if (entry === undefined) return;
    this.#unfinished.delete(key);
    if (entry.source !== undefined) this.#unfinishedOf.leave(entry.source);
  }
}

/** The same for a connection and for the TLS on top of it. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remotePort} ${remoteAddress}`;
}

function ignore(): void {}
