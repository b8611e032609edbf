// A dial link that ends at another replica, as the relay of the agent's replica sees it.

import type { BrokerLink, DialTag } from '../link.ts';
import type { Bus } from './bus.ts';

export class RemoteLink implements BrokerLink<DialTag> {
  readonly tag: DialTag;
  /** The replica that the link ends at. */
  readonly replica: string;
  readonly #bus: Bus;
  /** Where the dialer's replica listens for this link. */
  readonly #subject: string;
  /** Where this replica hears that nobody does. */
  readonly #lost: string;
  readonly #closed: (link: RemoteLink) => void;

  constructor(
    tag: DialTag,
    replica: string,
    bus: Bus,
    subjects: { readonly link: string; readonly lost: string },
    closed: (link: RemoteLink) => void,
  ) {
    this.tag = tag;
    this.replica = replica;
    this.#bus = bus;
    this.#subject = subjects.link;
    this.#lost = subjects.lost;
    this.#closed = closed;
  }

  send(data: Uint8Array): void {
    this.#bus.publish(this.#subject, data, this.#lost);
  }

  close(code: number, reason: string): void {
    this.say('close', { code, reason });
    this.#closed(this);
  }

  bufferedBytes(): number {
    return this.#bus.unflushedBytes;
  }

  /** A lease: the other replica goes on by itself if it hears nothing more. */
  pause(): void {
    this.say('pause');
  }

  resume(): void {
    this.say('resume');
  }

  /** The tag lives as long as this stand-in. */
  saveTag(): void {}

  say(kind: string, body: object = {}): void {
    this.#bus.say(this.#subject, kind, body, this.#lost);
  }
}
