// One link of the edge engine: a hibernating WebSocket behind the relay's interface. All that is known of it is
// in its attachment, so that an object which was evicted finds it again as it was.

import type { WebSocket } from '@cloudflare/workers-types';
import { closeReason } from '../close-reason.ts';
import type { BrokerLink, LinkTag, Observed } from '../link.ts';

/** The platform's limit is 16 384 bytes; what is left over is for a tag to grow (`unanswered`). */
const maxTagBytes = 12_288;

/** WebSocket.OPEN, which the platform does not name alike everywhere. */
const open = 1;

/** True where the tag leaves room for what the relay adds to it later. */
export function fitsAttachment(tag: LinkTag): boolean {
  return new TextEncoder().encode(JSON.stringify(tag)).length <= maxTagBytes;
}

export class EdgeLink implements BrokerLink {
  readonly tag: LinkTag;
  readonly #webSocket: WebSocket;

  constructor(tag: LinkTag, webSocket: WebSocket) {
    this.tag = tag;
    this.#webSocket = webSocket;
  }

  /** The link of a socket that was accepted before; undefined where the relay had done with it. */
  static restore(webSocket: WebSocket): EdgeLink | undefined {
    const tag = webSocket.deserializeAttachment() as LinkTag | null;
    return tag === null || tag.state === 'closed' ? undefined : new EdgeLink(tag, webSocket);
  }

  send(data: Uint8Array): void {
    // What the peer has closed meanwhile throws; the close event follows.
    if (this.#webSocket.readyState !== open) return;
    try {
      this.#webSocket.send(data);
    } catch {}
  }

  close(code: number, reason: string): void {
    try {
      this.#webSocket.close(code, closeReason(reason));
    } catch {}
  }

  /** The platform does not say: what is in flight is bounded by the budget that HELLO and BUDGET tell. */
  bufferedBytes(): number {
    return 0;
  }

  /** Never asked for, since {@link bufferedBytes} is never high. */
  pause(): void {}

  resume(): void {}

  /** The platform answers pings itself, and counts for nobody. */
  get observed(): Observed {
    const { address } = this.tag;
    return address === undefined ? {} : { address };
  }

  saveTag(): void {
    try {
      this.#webSocket.serializeAttachment(this.tag);
    } catch {
      // A tag that outgrew the attachment is stale from now on; a link that is cut comes back with a new one.
      this.close(1011, 'the link has more to remember than the platform allows');
    }
  }
}
