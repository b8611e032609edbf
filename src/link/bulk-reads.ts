// Where a socket's bytes are read to: large buffers while bulk comes, so that few messages straddle two reads and
// want a copy; while it is quiet, one buffer that all sockets share, because sockets are many and mostly quiet.
// Must never keep a large buffer for the sake of a few bytes: those are copied.

import type { OnReadOpts } from 'node:net';
import { quietRoom, worthRoomBytes } from './quiet-room.ts';

const bulkBytes = 131_072;
/** Least room that bulk is read into: what the largest message that bulk is sent in takes. */
const leastRoomBytes = 65_536;
/** So many small reads in a row, and it is quiet. */
const quietAfterReads = 4;

/** For the `onread` of a socket's options: `deliver` is given each read's bytes, which are its to keep. */
export function bulkReads(deliver: (bytes: Buffer) => void): OnReadOpts {
  let room = quietRoom;
  let smallReads = 0;

  function take(bytes: number): Buffer {
    const isBulk = bytes >= worthRoomBytes;
    if (isBulk && room !== quietRoom) {
      const read = room.subarray(0, bytes);
      room = room.subarray(bytes);
      if (room.length < leastRoomBytes) room = Buffer.allocUnsafeSlow(bulkBytes);
      smallReads = 0;
      return read;
    }
    const copy = Buffer.allocUnsafe(bytes);
    room.copy(copy, 0, 0, bytes);
    smallReads = isBulk ? 0 : smallReads + 1;
    if (isBulk) room = Buffer.allocUnsafeSlow(bulkBytes);
    else if (smallReads >= quietAfterReads) room = quietRoom;
    return copy;
  }

  return {
    buffer: () => room,
    callback: (bytes) => {
      deliver(take(bytes));
      return true;
    },
  };
}
