// Where a socket's bytes are read to: large buffers while bulk comes, so that few messages straddle two reads and
// want a copy, and a small one while it is quiet, because links are many and mostly quiet.
// Must never keep a large buffer for the sake of a few bytes: those are copied.

import type { OnReadOpts } from 'node:net';

const quietBytes = 2048;
const bulkBytes = 262_144;
/** Least room that bulk is read into: more than the largest message that bulk is sent in. */
const leastRoomBytes = 131_072;
/** A read of fewer bytes is copied, and its room used again. */
const worthRoomBytes = 16_384;
/** So many small reads in a row, and it is quiet. */
const quietAfterReads = 4;

/** For the `onread` of a socket's options: `deliver` is given each read's bytes, which are its to keep. */
export function bulkReads(deliver: (bytes: Buffer) => void): OnReadOpts {
  const quiet = Buffer.allocUnsafeSlow(quietBytes);
  let room = quiet;
  let smallReads = 0;

  function take(bytes: number): Buffer {
    const wasFilled = bytes === room.length;
    if (bytes < worthRoomBytes) {
      const copy = Buffer.allocUnsafe(bytes);
      room.copy(copy, 0, 0, bytes);
      smallReads += 1;
      if (wasFilled && room === quiet) makeRoom();
      else if (smallReads >= quietAfterReads) room = quiet;
      return copy;
    }
    smallReads = 0;
    const read = room.subarray(0, bytes);
    room = room.subarray(bytes);
    if (room.length < leastRoomBytes) makeRoom();
    return read;
  }

  function makeRoom(): void {
    room = Buffer.allocUnsafeSlow(bulkBytes);
    smallReads = 0;
  }

  return {
    buffer: () => room,
    callback: (bytes) => {
      deliver(take(bytes));
      return true;
    },
  };
}
