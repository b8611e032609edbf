// What an object has counted, as it is told to the directory and summed there: names of our own, and what each has
// grown by. An object forgets its counters when it is evicted; the directory does not.

import { type Counters, newCounters } from '../counters.ts';

/** Names are `field`, or `field key` where a counter has several. */
export type Growth = Record<string, number>;

/** What `counters` have that `told` had not. */
export function growthSince(counters: Counters, told: Growth): Growth {
  const growth: Growth = {};
  for (const [name, value] of namedIn(counters)) {
    const more = value - (told[name] ?? 0);
    if (more > 0) growth[name] = more;
  }
  return growth;
}

export function add(sums: Growth, growth: Growth): void {
  for (const [name, value] of Object.entries(growth)) sums[name] = (sums[name] ?? 0) + value;
}

export function subtract(sums: Growth, growth: Growth): void {
  for (const [name, value] of Object.entries(growth)) sums[name] = (sums[name] ?? 0) - value;
}

/** The counters that have these sums; names of another version are left out. */
export function countersOf(sums: Growth): Counters {
  const counters = newCounters();
  const fields = counters as unknown as Fields;
  for (const [name] of namedIn(counters)) {
    const [field = '', key = ''] = name.split(' ');
    const group = fields[field];
    if (typeof group === 'object') group[key] = sums[name] ?? 0;
    else fields[field] = sums[name] ?? 0;
  }
  return counters;
}

type Fields = Record<string, number | Record<string, number>>;

function* namedIn(counters: Counters): Iterable<[name: string, value: number]> {
  for (const [field, value] of Object.entries(counters as unknown as Fields)) {
    if (typeof value === 'number') yield [field, value];
    else for (const [key, count] of Object.entries(value)) yield [`${field} ${key}`, count];
  }
}
