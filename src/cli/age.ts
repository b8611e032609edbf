// How long ago, in two to four characters or so: as exact as the age is young, in the way of kubectl.

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/** From when (ISO 8601) until now; `?` where it is no time. A clock that runs ahead makes nobody younger than 0s. */
export function formatAge(since: string, nowMs: number): string {
  const ageMs = nowMs - Date.parse(since);
  return Number.isNaN(ageMs) ? '?' : formatSpan(Math.max(0, ageMs) / 1000);
}

export function formatSpan(seconds: number): string {
  if (seconds < 2 * minute) return `${Math.floor(seconds)}s`;
  if (seconds < 10 * minute) return pair(seconds, minute, 'm', 1, 's');
  if (seconds < 3 * hour) return `${Math.floor(seconds / minute)}m`;
  if (seconds < 8 * hour) return pair(seconds, hour, 'h', minute, 'm');
  if (seconds < 2 * day) return `${Math.floor(seconds / hour)}h`;
  if (seconds < 8 * day) return pair(seconds, day, 'd', hour, 'h');
  if (seconds < 2 * year) return `${Math.floor(seconds / day)}d`;
  if (seconds < 8 * year) return pair(seconds, year, 'y', day, 'd');
  return `${Math.floor(seconds / year)}y`;
}

/** `3d4h`, or `3d` where the smaller part is none. */
function pair(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)}${largeUnit}${rest === 0 ? '' : `${rest}${smallUnit}`}`;
}
