// Buffers for whole frames, used again: a process that allocates 64 KiB for every read spends more time on
// collecting them than on sending them (docs/performance.md). A buffer may come back only when nothing can
// still read it: the rule is SendHalf's.

import { bulkPayloadBytes, headroomBytes } from './frame.ts';

/** Room for envelope, header and the payload that bulk is sent in. */
const segmentBytes = headroomBytes + bulkPayloadBytes;
/** 8 MiB at most are kept. */
const maxKept = 128;
/** Of the buffers for whole messages; one session has one or two under way. */
const maxKeptMessages = 16;

const kept: Uint8Array[] = [];
/** All of one length, which the broker chose. */
const keptMessages: Uint8Array[] = [];

/** A buffer of {@link headroomBytes} and a whole payload; what it holds is left over from before. */
export function takeSegment(): Uint8Array {
  return kept.pop() ?? new Uint8Array(segmentBytes);
}

/** A buffer of so many bytes, for a message that holds several frames; what it holds is left over from before. */
export function takeMessageBuffer(bytes: number): Uint8Array {
  // Another broker, another length: what was kept is of no use any more.
  if (keptMessages[0] !== undefined && keptMessages[0].length !== bytes) keptMessages.length = 0;
  return keptMessages.pop() ?? new Uint8Array(bytes);
}

/** Gives back what {@link takeMessageBuffer} gave, and was handed on as retired. */
function returnMessageBuffer(bytes: Uint8Array): void {
  const isOfTheLength = keptMessages[0] === undefined || keptMessages[0].length === bytes.length;
  if (keptMessages.length < maxKeptMessages && isOfTheLength) keptMessages.push(bytes);
}

/** Gives back what {@link takeSegment} or {@link takeMessageBuffer} gave; other buffers are not kept. */
export function returnSegment(bytes: Uint8Array): void {
  if (bytes.byteOffset !== 0) return;
  if (bytes.length > segmentBytes) returnMessageBuffer(bytes);
  else if (kept.length < maxKept && bytes.length === segmentBytes) kept.push(bytes);
}
