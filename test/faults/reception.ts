// What comes back on one stream of a workload: checked byte by byte as it comes, and as a whole at its end.

import { PatternCheck } from '../rig/targets.ts';
import { trailerBytes } from './target.ts';

/** What the target is asked for by the first byte: d(own), u(p) or e(cho). */
export type Kind = 'd' | 'u' | 'e';

export class Reception {
  private readonly kind: Kind;
  private readonly check = new PatternCheck();
  private tail = Buffer.alloc(0);

  constructor(kind: Kind) {
    this.kind = kind;
  }

  /** @throws where a byte is not what it should be */
  push(chunk: Buffer): void {
    if (this.kind === 'e') {
      this.check.push(chunk);
      return;
    }
    // The last eight bytes are a count, whether or not more come.
    const all = Buffer.concat([this.tail, chunk]);
    const cut = Math.max(0, all.length - trailerBytes);
    if (this.kind === 'd') this.check.push(all.subarray(0, cut));
    this.tail = all.subarray(cut);
  }

  /** Once nothing more comes. @throws where it is not as much as there was, `sent` being what this side wrote */
  end(sent: number): void {
    const { kind, check, tail } = this;
    const told =
      kind === 'e' ? check.bytes : tail.length === trailerBytes ? Number(tail.readBigUInt64BE()) : -1;
    const due = kind === 'd' ? check.bytes : sent;
    if (told !== due) throw new Error(`${told} of ${due} bytes`);
  }
}
