// A local listener, TCP or a UNIX socket, whose connections each become a stream to one target behind a node.
// A connection that fails resets its own local socket and touches no other.

import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { nanoid } from 'nanoid';
import type { Logger } from 'pino';
import type { BrokerClient } from '../client/index.ts';
import { adoptSocket } from '../link/adopted-socket.ts';
import { resetSocket } from '../link/reset-socket.ts';
import { Splice, type SpliceEvents, SpliceReader } from '../link/splice.ts';
import { listenAtPath } from '../link/unix-socket.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { ByteStream } from '../protocol/stream.ts';
import { type ForwardSpec, formatAddress, type HostPort, type SocketPath } from './address.ts';

export interface LocalListener {
  /** The bound address, the port that was picked included; `unix:PATH` of a socket. */
  readonly address: string;
  /** Takes no more connections; resolves when those that are open have ended, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
  /** Takes no more connections; resolves when those that are open have ended or were reset. */
  close(): Promise<void>;
}

/** For a socket that cannot be adopted: what it reads is copied. */
class AcceptedReader extends SpliceReader {
  constructor(socket: Socket) {
    super();
    socket.on('data', (chunk) => {
      if (this.target?.write(chunk) === false) socket.pause();
    });
  }
  private target: ByteStream | undefined;

  override feed(stream: ByteStream | undefined): void {
    this.target = stream;
  }
}

/** Who runs the forward may connect, and nobody else: a port of loopback would let every user of the machine. */
const socketMode = 0o600;
/** Node's own for TCP. */
const backlog = 511;

/** @throws the system's error where the address cannot be bound; ERR_CONFIG where a path cannot */
export async function listenLocally(
  broker: BrokerClient,
  spec: ForwardSpec,
  log: Logger,
): Promise<LocalListener> {
  const open = new Set<Socket>();
  const facts = { node: spec.node, target: formatAddress(spec.target.host, spec.target.port) };
  const eventsOf = (request: string): SpliceEvents => ({
    // A local program that hangs up is everyday; what the far end says is news.
    ended(error) {
      const said = { ...facts, request, error: error?.message };
      if (error instanceof FairleadError)
        log.warn({ event: 'forward-failed', ...said, code: error.code }, 'connection failed');
      else if (error !== undefined) log.debug({ event: 'forward-broken', ...said }, 'connection broken');
    },
  });
  let isClosed = false;
  let allEnded = (): void => {};
  const ended = new Promise<void>((resolve) => {
    allEnded = resolve;
  });
  const endIfDone = (): void => {
    if (isClosed && open.size === 0) allEnded();
  };
  // Paused: a splice reads once it has a stream to write to.
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (accepted) => {
    const reader = new SpliceReader();
    const adopted = adoptSocket(accepted, reader.onread);
    if (adopted !== undefined) accepted.destroy();
    const local = adopted ?? accepted;
    open.add(local);
    local.once('close', () => {
      open.delete(local);
      endIfDone();
    });
    const id = nanoid();

    const events = eventsOf(id);
    const from = adopted === undefined ? new AcceptedReader(local) : reader;
    const splice = new Splice(local, from, events);
    try {
      // Optimistic: what the local program says first travels with the request to connect.
      splice.join(broker.openStream(spec.node, { ...spec.target, id }, splice));
    } catch (error) {
      resetSocket(local);
      events.ended(error instanceof Error ? error : new Error(String(error)));
    }
  });
  server.once('close', () => {
    isClosed = true;
    endIfDone();
  });
  const address = await listen(server, spec.bind);
  return {
    address,
    async drain(timeoutMs) {
      server.close();
      const late = new AbortController();
      const limit = sleep(timeoutMs, undefined, { signal: late.signal }).catch(() => {});
      await Promise.race([ended, limit]);
      late.abort();
    },
    async close() {
      server.close();
      for (const local of open) resetSocket(local);
      await ended;
    },
  };
}

/** Answers what was bound. */
async function listen(server: Server, bind: HostPort | SocketPath): Promise<string> {
  if ('path' in bind) {
    await listenAtPath(server, { ...bind, mode: socketMode }, backlog);
    return `unix:${bind.path}`;
  }
  await listenAtPort(server, bind);
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a TCP listener without an address');
  return formatAddress(bound.address, bound.port);
}

function listenAtPort(server: Server, bind: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: bind.host, port: bind.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
