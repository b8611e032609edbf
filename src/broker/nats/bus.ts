// The connection to NATS: what is under way on it is bounded, and what cannot go now is dropped, never kept. Streams
// find what was lost by themselves.

import {
  type ConnectionOptions,
  connect,
  headers,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import { type BrokerLog, bounded } from '../broker-log.ts';

/** Bytes between two questions to the server whether it has read what came before. */
const flushEveryBytes = 256 * 1024;
/** Bytes that the server has not read above which more are dropped. */
const limitBytes = 64 * 1024 * 1024;

/** Header of messages that are not a peer's own. */
const kindHeader = 'Fairlead';

export interface BusHandler {
  /** The connection stands, the first time or again. Subscriptions made before are in place. */
  up(maxPayloadBytes: number): void;
  down(): void;
  /** The server has read more of what was published. */
  flushed(): void;
}

/** A message as the engine reads it. */
export interface BusMessage {
  readonly subject: string;
  readonly reply: string;
  readonly data: Uint8Array;
  /** `nobody`: what was published with this subject as its reply found no subscriber. Undefined: a peer's message. */
  readonly kind: string | undefined;
}

export class Bus {
  /** Published, and not known to be read by the server, in bytes. */
  unflushedBytes = 0;
  dropped = 0;
  /** Times that the connection came to stand. */
  connections = 0;
  #connection: NatsConnection | undefined;
  #isUp = false;
  #isClosed = false;
  /** Counts connections: a flush that a former one was asked for says nothing of this one. */
  #epoch = 0;
  #sinceFlush = 0;
  readonly #handler: BusHandler;
  readonly #log: BrokerLog;

  constructor(options: ConnectionOptions, handler: BusHandler, log: BrokerLog) {
    this.#handler = handler;
    this.#log = log;
    void this.#run(options);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Answers whether it went on its way. Never throws. `data` must not change afterwards. */
  publish(subject: string, data: Uint8Array, reply = '', kind = ''): boolean {
    const connection = this.#connection;
    if (connection === undefined || !this.#isUp || this.unflushedBytes + data.length > limitBytes) {
      this.dropped++;
      return false;
    }
    try {
      if (kind === '') connection.publish(subject, data, { reply });
      else {
        const fields = headers();
        fields.set(kindHeader, kind);
        connection.publish(subject, data, { reply, headers: fields });
      }
    } catch {
      // Over the server's limit, or closing.
      this.dropped++;
      return false;
    }
    this.unflushedBytes += data.length;
    this.#sinceFlush += data.length;
    if (this.#sinceFlush >= flushEveryBytes) this.#flush(connection);
    return true;
  }

  say(subject: string, kind: string, body: object = {}, reply = ''): void {
    this.publish(subject, new TextEncoder().encode(JSON.stringify(body)), reply, kind);
  }

  /** Undefined while there was never a connection. */
  subscribe(subject: string, callback: (message: BusMessage) => void): Subscription | undefined {
    return this.#connection?.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) callback(read(message));
      },
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    await this.#connection?.close();
  }

  async #run(options: ConnectionOptions): Promise<void> {
    let connection: NatsConnection;
    try {
      connection = await connect(options);
    } catch (error) {
      this.#log.error({ event: 'nats-failed', error: bounded(String(error)) }, 'NATS cannot be used');
      return;
    }
    if (this.#isClosed) return connection.close();
    this.#connection = connection;
    this.#up(connection);
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#down();
      else if (status.type === 'reconnect') this.#up(connection);
      else if (status.type === 'error')
        this.#log.warn(
          { event: 'nats-error', error: bounded(String(status.error)) },
          'NATS reports an error',
        );
    }
    this.#down();
  }

  #up(connection: NatsConnection): void {
    if (this.#isClosed || this.#isUp) return;
    this.#isUp = true;
    this.#epoch++;
    this.connections++;
    this.unflushedBytes = 0;
    this.#sinceFlush = 0;
    const maxPayloadBytes = connection.info?.max_payload ?? 0;
    this.#log.info(
      { event: 'nats-up', server: connection.getServer(), maxPayloadBytes },
      'connected to NATS',
    );
    this.#handler.up(maxPayloadBytes);
  }

  #down(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#log.warn({ event: 'nats-down' }, 'no connection to NATS: only pairs on this replica go on');
    this.#handler.down();
  }

  #flush(connection: NatsConnection): void {
    const bytes = this.#sinceFlush;
    const epoch = this.#epoch;
    this.#sinceFlush = 0;
    connection.flush().then(
      () => {
        if (epoch !== this.#epoch) return;
        this.unflushedBytes -= bytes;
        this.#handler.flushed();
      },
      () => {},
    );
  }
}

function read(message: Msg): BusMessage {
  const { subject, reply = '', data, headers: fields } = message;
  const kind = fields === undefined ? undefined : fields.code === 503 ? 'nobody' : fields.get(kindHeader);
  return { subject, reply, data, kind };
}
