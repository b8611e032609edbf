// The figures above the list: of the broker, and of a gateway where it is one that serves the page.

import type { BrokerStatus, GatewayStatus, ShownStatus } from '../protocol/status.ts';
import { make, makeSparkline, part } from './elements.ts';
import { bytes, count, duration, milliseconds, plain } from './format.ts';
import { historyLength, type Row } from './rows.ts';
import { sparkline } from './sparkline.ts';

interface Tile {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  /** More, for whoever points at it. */
  readonly title?: string;
  readonly isBad?: boolean;
}

const width = 120;
const height = 24;

export class Tiles {
  readonly #list = part('tiles');
  readonly #spark = makeSparkline(width, height);
  readonly #history = new Float32Array(historyLength);

  show(status: ShownStatus, rows: Iterable<Row>): void {
    const sums = sumsOf(rows);
    this.#history.copyWithin(0, 1);
    this.#history[historyLength - 1] = sums.rate;
    const { broker, gateway } = status;
    const tiles: Tile[] = [
      { name: 'Nodes', value: count(sums.nodes), ...noteOf(sums.draining, 'draining', sums.gone, 'gone') },
      { name: 'Sessions', value: count(sums.sessions) },
      ...(sums.streams === undefined ? [] : [{ name: 'Streams', value: count(sums.streams) }]),
      ...(sums.isCounted ? [{ name: 'Throughput', value: `${bytes(sums.rate)}/s` }] : []),
      // What is a broker's own is seen at the broker.
      ...(gateway !== undefined ? gatewayTiles(gateway) : broker !== undefined ? brokerTiles(broker) : []),
    ];
    const { line, area } = sparkline(this.#history, width, height);
    this.#spark.line.setAttribute('d', line);
    this.#spark.area.setAttribute('d', area);
    this.#list.replaceChildren(...tiles.map((tile) => this.#make(tile)));
  }

  #make({ name, value, note, title, isBad }: Tile): HTMLElement {
    const tile = make('div', isBad === true ? 'tile bad' : 'tile');
    const data = make('dd', '', value);
    if (name === 'Throughput') data.append(this.#spark.svg);
    if (note !== undefined) data.append(make('small', '', plain(note)));
    if (title !== undefined) tile.title = title.split('\n').map(plain).join('\n');
    tile.append(make('dt', '', name), data);
    return tile;
  }
}

function brokerTiles({ bufferedBytes, eventLoopP99Ms }: BrokerStatus): Tile[] {
  const tiles: Tile[] = [];
  if (bufferedBytes !== undefined)
    tiles.push({ name: 'Waiting', value: bytes(bufferedBytes), note: 'for slow readers' });
  if (eventLoopP99Ms !== undefined)
    tiles.push({
      name: 'Event loop',
      value: milliseconds(eventLoopP99Ms),
      note: 'late (p99)',
      isBad: eventLoopP99Ms > 200,
    });
  return tiles;
}

function gatewayTiles({ connections, fronts, dials }: GatewayStatus): Tile[] {
  const failed = Object.entries(dials).filter(([outcome, times]) => outcome !== 'connected' && times > 0);
  failed.sort(([, a], [, b]) => b - a);
  const tiles: Tile[] = [
    {
      name: 'Tunnels',
      value: count(connections),
      note: byKind(fronts),
      title: fronts.map((front) => `${front.kind} ${front.address}: ${count(front.connections)}`).join('\n'),
    },
    { name: 'Dials', value: count(dials.connected ?? 0), note: 'connected' },
  ];
  if (failed.length > 0) {
    const sum = failed.reduce((all, [, times]) => all + times, 0);
    const most = failed.slice(0, 3).map(([outcome, times]) => `${outcome} ${count(times)}`);
    tiles.push({ name: 'Failed dials', value: count(sum), note: most.join(', ') });
  }
  return tiles;
}

function byKind(fronts: GatewayStatus['fronts']): string {
  const sums = new Map<string, number>();
  for (const { kind, connections } of fronts) sums.set(kind, (sums.get(kind) ?? 0) + connections);
  return [...sums].map(([kind, connections]) => `${kind} ${count(connections)}`).join(', ');
}

/** How long the process has been there, and what it is. */
export function aboutOf({ broker, gateway }: ShownStatus): string {
  const kind = gateway === undefined ? 'broker' : 'gateway';
  const { version, startedAt } = gateway ?? broker ?? {};
  const words = [`${kind} ${version ?? ''}`];
  if (broker !== undefined && broker.engine !== 'memory') words.push(broker.engine);
  if (startedAt !== undefined) words.push(`up ${duration(Date.now() - Date.parse(startedAt))}`);
  return plain(words.join(' · '));
}

function sumsOf(rows: Iterable<Row>) {
  const nodes = new Set<string>();
  const sums = {
    nodes: 0,
    draining: 0,
    gone: 0,
    sessions: 0,
    rate: 0,
    isCounted: false,
    streams: undefined as number | undefined,
  };
  for (const { node, instance, goneAt, rate } of rows) {
    if (goneAt !== undefined) {
      sums.gone++;
      continue;
    }
    nodes.add(node);
    if (instance.state === 'draining') sums.draining++;
    sums.sessions += instance.sessions;
    if (instance.streams !== undefined) sums.streams = (sums.streams ?? 0) + instance.streams;
    if (instance.receivedBytes !== undefined) sums.isCounted = true;
    sums.rate += rate ?? 0;
  }
  sums.nodes = nodes.size;
  return sums;
}

function noteOf(first: number, firstName: string, second: number, secondName: string): { note?: string } {
  const parts: string[] = [];
  if (first > 0) parts.push(`${count(first)} ${firstName}`);
  if (second > 0) parts.push(`${count(second)} ${secondName}`);
  return parts.length === 0 ? {} : { note: parts.join(', ') };
}
