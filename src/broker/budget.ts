// How the bytes that an engine may hold for slow readers are shared out among sessions. Pure arithmetic.

/** Less would not carry one frame of 64 KiB at a time. */
const leastBytes = 65_536;

/**
 * What each of `sessions` may have in flight in each direction, in bytes: a power of two from 64 KiB to
 * `mostBytes`, so that few comings and goings change it. Their sum keeps within `totalBytes` for as many as
 * `totalBytes / 128 KiB` sessions: an engine takes no more.
 */
export function shareOf(sessions: number, totalBytes: number, mostBytes: number): number {
  const evenly = totalBytes / (2 * Math.max(1, sessions));
  let share = leastBytes;
  while (share * 2 <= evenly && share * 2 <= mostBytes) share *= 2;
  return share;
}

/** The most sessions for which {@link shareOf} keeps its promise. */
export function mostSessions(totalBytes: number): number {
  return Math.floor(totalBytes / (2 * leastBytes));
}
