// What a dialer sends before its target is connected, bounded by the first credit, and passed on in order after.

import { unpinned } from '../link/unpinned.ts';
import type { FairleadError } from '../protocol/errors.ts';
import type { StreamHandler } from '../protocol/stream.ts';

export class HeldData implements StreamHandler {
  private chunks: Uint8Array[] = [];
  private ended = false;
  private readonly onClosed: () => void;

  /** `onClosed`: the dialer gave up before there was a connection. */
  constructor(onClosed: () => void) {
    this.onClosed = onClosed;
  }

  data(chunk: Uint8Array): void {
    this.chunks.push(unpinned(chunk));
  }

  end(): void {
    this.ended = true;
  }

  writable(): void {}

  closed(_error: FairleadError | undefined): void {
    this.chunks = [];
    this.onClosed();
  }

  release(to: StreamHandler): void {
    const { chunks } = this;
    this.chunks = [];
    for (const chunk of chunks) to.data(chunk);
    if (this.ended) to.end();
  }
}
