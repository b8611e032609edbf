// Buffers for whole frames, used again: a process that allocates 64 KiB for every read spends more time on
// collecting them than on sending them (docs/performance.md). A buffer may come back only when nothing can
// still read it: the rule is SendHalf's.

import { headroomBytes, maxFramePayloadBytes } from './frame.ts';

/** Room for envelope, header and the largest payload. */
const segmentBytes = headroomBytes + maxFramePayloadBytes;
/** 8 MiB at most are kept. */
const maxKept = 128;

const kept: Uint8Array[] = [];

/** A buffer of {@link headroomBytes} and a whole payload; what it holds is left over from before. */
export function takeSegment(): Uint8Array {
  return kept.pop() ?? new Uint8Array(segmentBytes);
}

/** Gives back what {@link takeSegment} gave; other buffers are not kept. */
export function returnSegment(bytes: Uint8Array): void {
  if (kept.length < maxKept && bytes.length === segmentBytes && bytes.byteOffset === 0) kept.push(bytes);
}
