// Work with a limit in time and a signal that may give it up before. Not AbortSignal.any with AbortSignal.timeout: on
// Node 20 the collector takes the two while they are waited for, and then neither ever fires.

/**
 * Calls `work` with a signal that aborts after `timeoutMs`, with a TimeoutError as its reason, or with `signal` and its
 * reason. Both are forgotten once the work has ended.
 */
export async function withinDeadline<T>(
  timeoutMs: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const giveUp = (): void => limit.abort(signal.reason);
  const timer = setTimeout(
    () => limit.abort(new DOMException('the time for it is over', 'TimeoutError')),
    timeoutMs,
  ).unref();
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}
