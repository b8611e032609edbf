// Which rows are shown, and in which order.

import { type Row, textOf } from './rows.ts';

export const columns = [
  { id: 'node', title: 'Node', firstDown: false },
  { id: 'state', title: 'State', firstDown: false },
  { id: 'version', title: 'Version', firstDown: false },
  { id: 'address', title: 'Address', firstDown: false },
  { id: 'routes', title: 'Routes', firstDown: true },
  { id: 'sessions', title: 'Sessions', firstDown: true },
  { id: 'streams', title: 'Streams', firstDown: true },
  { id: 'rate', title: 'Throughput', firstDown: true },
  { id: 'rtt', title: 'Round trip', firstDown: true },
  { id: 'error', title: 'Last error', firstDown: true },
] as const;

export type ColumnId = (typeof columns)[number]['id'];

export interface Order {
  readonly column: ColumnId;
  readonly isDown: boolean;
}

/** What a row is sorted by; undefined comes last either way. */
const keyOf: Readonly<Record<ColumnId, (row: Row) => string | number | undefined>> = {
  node: ({ natural }) => natural,
  // What asks for a look comes first.
  state: ({ goneAt, instance }) => (goneAt !== undefined ? 0 : instance.state === 'draining' ? 1 : 2),
  version: ({ instance }) => instance.version ?? undefined,
  address: ({ instance }) => instance.address,
  routes: ({ instance }) => instance.routes.length,
  sessions: ({ instance }) => instance.sessions,
  streams: ({ instance }) => instance.streams,
  rate: ({ rate }) => rate,
  rtt: ({ instance }) => instance.rttMs,
  error: ({ instance }) => instance.lastError?.at,
};

/** Every word must be found somewhere. */
export function matching(rows: Iterable<Row>, search: string): Row[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found: Row[] = [];
  for (const row of rows)
    if (words.length === 0 || words.every((word) => textOf(row).includes(word))) found.push(row);
  return found;
}

/** Sorts in place; those that are alike stay in the order of their names. */
export function sortRows(rows: Row[], { column, isDown }: Order): void {
  const read = keyOf[column];
  const sign = isDown ? -1 : 1;
  rows.sort((a, b) => {
    const [x, y] = [read(a), read(b)];
    if (x !== y) {
      if (x === undefined) return 1;
      if (y === undefined) return -1;
      return x < y ? -sign : sign;
    }
    return a.natural < b.natural ? -1 : 1;
  });
}
