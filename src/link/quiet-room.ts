// One buffer for the reads of every quiet socket of this process. libuv asks for room, reads into it and tells of it in one
// go, so whoever copies what was read before it returns may share the room with all others: idle sockets are
// many, and cost no buffer. Must never be handed on.

export const quietRoom = Buffer.allocUnsafeSlow(65_536);

/** A read of at least so many bytes is worth a buffer of its own for the next one; a smaller one is copied. */
export const worthRoomBytes = 16_384;
