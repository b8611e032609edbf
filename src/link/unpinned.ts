// What has to wait must not keep a large buffer alive for the sake of a few bytes: whoever sends those among bulk for
// somebody else would have us hold a hundred times what is counted.

/** A waiting message keeps at most so many times its size. */
const mostTimes = 2.5;
/** A buffer of so many bytes is nobody's large one: Node's own pool has such. */
const smallBytes = 16_384;

/** The same bytes, in a buffer of their own where they are a small part of a large one. For what will wait. */
export function unpinned(bytes: Uint8Array): Uint8Array {
  const { byteLength } = bytes.buffer;
  return byteLength > smallBytes && bytes.length * mostTimes < byteLength ? Buffer.from(bytes) : bytes;
}
