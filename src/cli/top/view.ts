// What `top` shows: how its rows are sorted, filtered and scrolled, what a key does to that, and the lines that come
// of it. Touches no terminal.

import { printable } from '../../files/printable.ts';
import { formatAge } from '../age.ts';
import { formatBytes } from '../bytes.ts';
import { formatLastError, formatRtt } from '../status.ts';
import { clipped, padded } from '../table.ts';
import type { Sample, TopRow } from './sample.ts';

interface Column {
  /** Sorts by it. */
  readonly key?: string;
  readonly title: string;
  /** On a terminal; 0: as wide as it needs. */
  readonly width: number;
  readonly isNumber?: boolean;
  readonly text: (row: TopRow, nowMs: number) => string;
  /** What rows are compared by; undefined comes last. */
  readonly value: (row: TopRow) => number | string | undefined;
  /** Which way round at first: the largest of what one looks for comes first. */
  readonly descends?: boolean;
}

const columns: readonly Column[] = [
  { key: 'n', title: 'NODE', width: 0, text: ({ node }) => node, value: ({ node }) => node },
  { title: 'INSTANCE', width: 12, text: ({ instance }) => instance, value: ({ instance }) => instance },
  { title: 'STATE', width: 8, text: ({ state }) => state, value: ({ state }) => state },
  {
    ...{ key: 'a', title: 'AGE', width: 6, isNumber: true },
    text: ({ since }, nowMs) => formatAge(since, nowMs),
    value: ({ since }) => -Date.parse(since),
  },
  numberColumn('p', 'RTT', 8, ({ rttMs }) => rttMs, formatRtt),
  numberColumn('e', 'SESSIONS', 9, ({ sessions }) => sessions, String),
  numberColumn('m', 'STREAMS', 8, ({ streams }) => streams, String),
  numberColumn('i', 'IN/s', 10, ({ inBytesPerSecond }) => inBytesPerSecond, formatBytes),
  numberColumn('o', 'OUT/s', 10, ({ outBytesPerSecond }) => outBytesPerSecond, formatBytes),
  {
    title: 'LAST ERROR',
    width: 60,
    text: ({ lastError }, nowMs) => formatLastError(lastError, nowMs),
    value: ({ lastError }) => lastError?.at,
  },
];

/** Widest that the column of names may be. */
const maxNameWidth = 40;
/** Lines that are not rows: three of summary, one empty, the header, and the one at the bottom. */
const otherLines = 6;

export interface View {
  /** The key of the column that rows are sorted by. */
  readonly sortKey: string;
  readonly isDescending: boolean;
  /** Nodes whose name or instance does not hold it are not shown. */
  readonly filter: string;
  /** Present while the filter is being typed: what it was before. */
  readonly filterBefore?: string | undefined;
  /** The first row that is shown. */
  readonly offset: number;
}

export const firstView: View = { sortKey: 'n', isDescending: false, filter: '', offset: 0 };

/** As Node's readline tells it. */
export interface Key {
  readonly name?: string | undefined;
  readonly sequence?: string | undefined;
  readonly ctrl?: boolean | undefined;
}

export type KeyEffect = View | 'quit' | 'refresh' | 'suspend';

export interface Page {
  /** How many rows the terminal shows. */
  readonly pageRows: number;
  /** How many there are. */
  readonly rowCount: number;
}

export function pressed(view: View, key: Key, { pageRows, rowCount }: Page): KeyEffect {
  const { name = '', sequence = '', ctrl = false } = key;
  if (ctrl && (name === 'c' || name === 'd')) return 'quit';
  if (ctrl && name === 'z') return 'suspend';
  if (view.filterBefore !== undefined) return typed(view, name, sequence);
  const scrolledTo = (offset: number): View => ({
    ...view,
    offset: Math.max(0, Math.min(offset, rowCount - pageRows)),
  });
  switch (name) {
    case 'down':
      return scrolledTo(view.offset + 1);
    case 'up':
      return scrolledTo(view.offset - 1);
    case 'pagedown':
      return scrolledTo(view.offset + pageRows);
    case 'pageup':
      return scrolledTo(view.offset - pageRows);
    case 'home':
      return scrolledTo(0);
    case 'end':
      return scrolledTo(rowCount);
    case 'escape':
      return { ...view, filter: '', offset: 0 };
  }
  if (sequence === 'q') return 'quit';
  if (sequence === ' ') return 'refresh';
  if (sequence === '/') return { ...view, filterBefore: view.filter };
  if (sequence === 'r') return { ...view, isDescending: !view.isDescending };
  const column = columns.find(({ key }) => key === sequence && key !== undefined);
  if (column === undefined) return view;
  return { ...view, sortKey: sequence, isDescending: column.descends === true, offset: 0 };
}

function typed(view: View, name: string, sequence: string): View {
  if (name === 'return' || name === 'enter') return { ...view, filterBefore: undefined };
  if (name === 'escape') return { ...view, filter: view.filterBefore ?? '', filterBefore: undefined };
  if (name === 'backspace') return { ...view, filter: view.filter.slice(0, -1), offset: 0 };
  const isText = sequence.length > 0 && !/[\p{C}]/u.test(sequence) && view.filter.length < 64;
  return isText ? { ...view, filter: view.filter + sequence, offset: 0 } : view;
}

/** Rows that fit on a terminal of so many lines. */
export function pageRowsOf(terminalRows: number): number {
  return Math.max(1, terminalRows - otherLines);
}

/** Those that the filter lets through, in order. */
export function rowsOf(sample: Sample, view: View): TopRow[] {
  const wanted = view.filter.toLowerCase();
  const value = (columns.find(({ key }) => key === view.sortKey) ?? columns[0])?.value ?? (() => undefined);
  return sample.rows
    .filter(({ node, instance }) => `${node} ${instance}`.toLowerCase().includes(wanted))
    .sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      // What is not known comes last, whichever way round.
      if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
      const order = a < b ? -1 : a > b ? 1 : 0;
      if (order !== 0) return view.isDescending ? -order : order;
      return one.node < other.node ? -1 : one.node > other.node ? 1 : 0;
    });
}

/** The first lines: the broker as a whole. */
export function summaryLines(sample: Sample, title: string): string[] {
  const { broker, rows, atMs } = sample;
  const { links, sessions, bufferedBytes, eventLoopP99Ms } = broker;
  const up = broker.startedAt === undefined ? '' : `, up ${formatAge(broker.startedAt, atMs)}`;
  const nodes = new Set(rows.map(({ node }) => node)).size;
  const draining = rows.filter(({ state }) => state === 'draining').length;
  const streams = rows.reduce((sum, row) => sum + (row.streams ?? 0), 0);
  const traffic = [
    `From agents ${perSecond(sample.fromAgentsPerSecond)}`,
    `from dialers ${perSecond(sample.fromDialersPerSecond)}`,
  ];
  if (bufferedBytes !== undefined) traffic.push(`waiting ${formatBytes(bufferedBytes)}`);
  if (eventLoopP99Ms !== undefined) traffic.push(`event loop ${eventLoopP99Ms.toFixed(1)} ms`);
  return [
    `${title}: ${printable(broker.version, 64)} (${broker.engine})${up}, ${broker.draining ? 'draining' : 'ready'}`,
    `Nodes ${nodes}, agents ${rows.length}${draining === 0 ? '' : ` (${draining} draining)`}, links ${links.agent} + ${links.dial} of dialers, sessions ${sessions}, streams ${streams}${sample.partial ? '; a replica did not answer' : ''}`,
    traffic.join(', '),
  ];
}

/** Header and rows, in columns. `view`: what they are sorted by is marked, and long names are cut. */
export function tableOf(rows: readonly TopRow[], nowMs: number, view?: View): string[] {
  const names = rows.map(({ node }) => node.length);
  const longest = names.reduce((most, length) => Math.max(most, length), 8);
  const nameWidth = view === undefined ? longest : Math.min(maxNameWidth, longest);
  const widthOf = ({ width }: Column): number => (width === 0 ? nameWidth : width);
  const header = columns.map((column) => {
    const mark = view !== undefined && column.key === view.sortKey ? (view.isDescending ? '▾' : '▴') : '';
    return aligned(`${column.title}${mark}`, widthOf(column), column.isNumber === true);
  });
  const lines = rows.map((row) =>
    columns.map((column) =>
      aligned(printable(column.text(row, nowMs), 512), widthOf(column), column.isNumber === true),
    ),
  );
  return [header, ...lines].map((cells) => cells.join(' ').trimEnd());
}

/** Every line of a terminal of this size, `notice` at its bottom where there is one. */
export function screenOf(
  sample: Sample,
  view: View,
  size: { readonly columns: number; readonly rows: number },
  title: string,
  notice: string | undefined,
): string[] {
  const all = rowsOf(sample, view);
  const pageRows = pageRowsOf(size.rows);
  const offset = Math.min(view.offset, Math.max(0, all.length - pageRows));
  const shown = all.slice(offset, offset + pageRows);
  const lines = [...summaryLines(sample, title), '', ...tableOf(shown, sample.atMs, view)];
  while (lines.length < size.rows - 1) lines.push('');
  lines.length = Math.max(0, size.rows - 1);
  lines.push(bottomLine(view, all.length, offset, shown.length, notice));
  return lines.map((line) => clipped(line, size.columns));
}

function bottomLine(
  view: View,
  all: number,
  offset: number,
  shown: number,
  notice: string | undefined,
): string {
  if (view.filterBefore !== undefined) return `filter: ${view.filter}_  (Enter keeps it, Esc does not)`;
  if (notice !== undefined) return notice;
  const range = all === 0 ? 'none' : `${offset + 1}–${offset + shown} of ${all}`;
  const filter = view.filter === '' ? '' : ` with "${view.filter}" (Esc: all)`;
  const keys = columns.flatMap(({ key, title }) =>
    key === undefined ? [] : `${key} ${title.toLowerCase()}`,
  );
  return `${range}${filter} · sort: ${keys.join(', ')}, r reverse · / filter · ↑↓ scroll · q quit`;
}

function numberColumn(
  key: string,
  title: string,
  width: number,
  value: (row: TopRow) => number | undefined,
  format: (value: number) => string,
): Column {
  const text = (row: TopRow): string => {
    const known = value(row);
    return known === undefined ? '-' : format(known);
  };
  return { key, title, width, isNumber: true, text, value, descends: true };
}

function perSecond(bytes: number | undefined): string {
  return bytes === undefined ? '-' : `${formatBytes(bytes)}/s`;
}

function aligned(text: string, width: number, isNumber: boolean): string {
  const cell = clipped(text, width);
  return isNumber ? padded(cell, width, 'in-front') : padded(cell, width);
}
