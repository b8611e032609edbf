// Takes turns among the sessions that share one link, a message each, and lets only a small queue build up in
// front of the socket: what waits here can still be overtaken, what waits there cannot.

import { Fifo } from '../protocol/fifo.ts';
import { returnSegment } from '../protocol/segment-pool.ts';
import { linkHighWaterBytes } from './broker-link.ts';

/** As many buffers as the pool would keep. */
const maxRetirees = 128;

export interface OutboxSource {
  /** The next message, or undefined where there is none for now. */
  pull(): Uint8Array | undefined;
}

export interface OutboxLink {
  readonly bufferedBytes: number;
  send(message: Uint8Array): void;
  /** What everything of one turn of the event loop should share messages for; default false. */
  readonly messagesAreDear?: boolean;
}

/** A browser has no `setImmediate`. */
const nextTurn = globalThis.setImmediate ?? ((run: () => void) => setTimeout(run, 0));

export class Outbox {
  private link: OutboxLink | undefined;
  private readonly turns = new Fifo<OutboxSource>();
  private readonly waiting = new Set<OutboxSource>();
  /** Bytes given to the link so far. */
  private handed = 0;
  /** Buffers that sessions have let go, each with `handed` as it was then. */
  private readonly retirees = new Fifo<{ readonly bytes: Uint8Array; readonly after: number }>();
  private scheduled = false;
  private readonly run = (): void => {
    this.scheduled = false;
    this.flush();
  };

  /** Where messages go from now on; undefined: nowhere, they stay with their sources. */
  use(link: OutboxLink | undefined): void {
    this.link = link;
    // What the old link still holds is uncertain: its buffers are left to the collector.
    while (this.retirees.shift() !== undefined);
    this.schedule();
  }

  /** `source` has something to send. Cheap; what one tick brings shares messages. */
  ready(source: OutboxSource): void {
    this.enqueue(source);
    this.schedule();
  }

  /** Sends what the link has room for; called again when it has drained. */
  flush(): void {
    const { link } = this;
    if (link === undefined) return;
    while (link.bufferedBytes < linkHighWaterBytes) {
      const source = this.turns.shift();
      if (source === undefined) return;
      // Before the pull, which may well make the source ready again.
      this.waiting.delete(source);
      const message = source.pull();
      if (message === undefined) continue;
      this.handed += message.length;
      link.send(message);
      this.enqueue(source);
    }
  }

  /** A session needs `bytes` no more: they are used again once all that was handed over before has left. */
  retire(bytes: Uint8Array): void {
    const { link } = this;
    if (link === undefined) return;
    if (this.retirees.length < maxRetirees) this.retirees.push({ bytes, after: this.handed });
    const left = this.handed - link.bufferedBytes;
    for (
      let first = this.retirees.peek();
      first !== undefined && first.after <= left;
      first = this.retirees.peek()
    ) {
      this.retirees.shift();
      returnSegment(first.bytes);
    }
  }

  private enqueue(source: OutboxSource): void {
    if (this.waiting.has(source)) return;
    this.waiting.add(source);
    this.turns.push(source);
  }

  private schedule(): void {
    if (this.scheduled || this.link === undefined) return;
    this.scheduled = true;
    // Where messages are dear, what many sockets brought in one turn of the event loop shares them.
    if (this.link.messagesAreDear === true) nextTurn(this.run);
    else queueMicrotask(this.run);
  }
}
