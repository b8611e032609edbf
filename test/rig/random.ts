// Chance that can be had again: the same seed, the same numbers.

/** Numbers from 0 up to 1, by xorshift (Marsaglia 2003). */
export function randomFrom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 0x1_0000_0000;
  };
}
