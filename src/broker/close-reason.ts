// The reason in a close frame, cut to what fits.

/** RFC 6455 §5.5: a control frame holds 125 bytes, two of which are the close code. */
const maxReasonBytes = 123;

/** At most 123 bytes of UTF-8, cut between characters. */
export function closeReason(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= maxReasonBytes) return reason;
  let end = maxReasonBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end));
}
