// Work with a limit in time and signals that may give it up before. Not AbortSignal.any with AbortSignal.timeout: on
// Node 20 the collector takes the two while they are waited for, and then neither ever fires.

import { inBackground } from './background.ts';

/**
 * Calls `work` with a signal that aborts after `timeoutMs`, with a TimeoutError as its reason, or with the first of
 * `signals` and its reason. All are forgotten once the work has ended.
 */
export async function withinDeadline<T>(
  timeoutMs: number,
  signals: AbortSignal | readonly AbortSignal[],
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const all = signals instanceof AbortSignal ? [signals] : signals;
  const giveUp = ({ reason }: AbortSignal): void => limit.abort(reason);
  const onAbort = (event: Event): void => giveUp(event.target as AbortSignal);
  const timer = inBackground(
    setTimeout(() => limit.abort(new DOMException('the time for it is over', 'TimeoutError')), timeoutMs),
  );
  for (const signal of all) {
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) giveUp(signal);
  }
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    for (const signal of all) signal.removeEventListener('abort', onAbort);
  }
}
