// Which stream ids of a session were opened already, so that an OPEN that comes twice is dialled once.
// A sliding bitmap as in IPsec's anti-replay window (RFC 4303 §3.4.3): ids below it count as seen.

const windowIds = 32_768;
const words = windowIds / 32;

export class SeenIds {
  /** Covers (highest − windowIds, highest]. */
  private readonly bits = new Uint32Array(words);
  private highest = 0;

  has(id: number): boolean {
    if (id > this.highest) return false;
    if (id <= this.highest - windowIds) return true;
    return ((this.bits[(id >>> 5) & (words - 1)] as number) & (1 << (id & 31))) !== 0;
  }

  add(id: number): void {
    if (id > this.highest) {
      const first = Math.max(this.highest + 1, id - windowIds + 1);
      for (let fresh = first; fresh <= id; fresh += 1) this.set(fresh, false);
      this.highest = id;
    } else if (id <= this.highest - windowIds) {
      return;
    }
    this.set(id, true);
  }

  private set(id: number, seen: boolean): void {
    const word = (id >>> 5) & (words - 1);
    const bit = 1 << (id & 31);
    const old = this.bits[word] as number;
    this.bits[word] = seen ? old | bit : old & ~bit;
  }
}
