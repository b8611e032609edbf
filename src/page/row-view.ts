// One row on the screen. It is made once and shows one agent after another, as the list is scrolled.

import { make, makeSparkline, mark, say } from './elements.ts';
import { bytes, count, duration, milliseconds, plain } from './format.ts';
import { columns } from './order.ts';
import type { Row } from './rows.ts';
import { sparkline } from './sparkline.ts';

const sparkWidth = 90;
const sparkHeight = 22;
const nothing = '–';

export class RowView {
  readonly element = make('div', 'row');
  readonly #cells: Readonly<Record<string, HTMLElement>>;
  readonly #name = make('span', 'name');
  readonly #instance = make('span', 'instance');
  readonly #spark = makeSparkline(sparkWidth, sparkHeight);
  readonly #rate = make('span', 'figure');
  readonly #dot = make('span', 'dot');
  readonly #state = make('span');
  readonly #age = make('span', 'age');
  #drawn: Float32Array | undefined;
  #drawnAt = -1;

  constructor() {
    this.element.setAttribute('role', 'row');
    const cells: Record<string, HTMLElement> = {};
    for (const { id } of columns) {
      const cell = make('div', `cell ${id}`);
      cell.setAttribute('role', 'gridcell');
      cells[id] = cell;
      this.element.append(cell);
    }
    cells.node?.append(this.#name, this.#instance);
    cells.state?.append(this.#dot, this.#state, this.#age);
    cells.rate?.append(this.#spark.svg, this.#rate);
    this.#cells = cells;
  }

  /** `generation` changes with each update of the rows. */
  show(row: Row, index: number, generation: number, isActive: boolean, isOpen: boolean): void {
    const { element } = this;
    const { instance, goneAt } = row;
    mark(element, 'id', `row-${index}`);
    // The header is the first.
    mark(element, 'aria-rowindex', String(index + 2));
    mark(element, 'aria-selected', String(isActive));
    mark(element, 'aria-expanded', String(isOpen));
    const state = goneAt === undefined ? instance.state : 'gone';
    mark(element, 'data-state', state);
    const node = plain(row.node);
    say(this.#name, node);
    mark(this.#name, 'title', node);
    say(this.#instance, instance.instance);
    say(this.#state, state);
    say(this.#age, duration(Date.now() - (goneAt ?? Date.parse(instance.since))));
    this.#cell('version', instance.version ?? nothing);
    this.#cell('address', instance.address ?? nothing);
    this.#cell('routes', instance.routes.length === 0 ? nothing : instance.routes.join(', '));
    const { sessions, streams } = instance;
    this.#cell('sessions', count(sessions), sessions === 0);
    this.#cell('streams', streams === undefined ? nothing : count(streams), (streams ?? 0) === 0);
    // On a phone the two share a place.
    const foot = [some(sessions, 'session'), ...(streams === undefined ? [] : [some(streams, 'stream')])];
    if (this.#cells.sessions !== undefined) mark(this.#cells.sessions, 'data-foot', foot.join(', '));
    this.#cell('rtt', instance.rttMs === undefined ? nothing : milliseconds(instance.rttMs));
    const { lastError } = instance;
    this.#cell('error', lastError === undefined ? nothing : `${lastError.code} ${ago(lastError.at)}`);
    this.#cells.error?.classList.toggle('recent', lastError !== undefined && isRecent(lastError.at));
    this.#cells.rate?.classList.toggle('quiet', (row.rate ?? 0) < 1);
    say(this.#rate, row.rate === undefined ? nothing : `${bytes(row.rate)}/s`);
    if (this.#drawn === row.history && this.#drawnAt === generation) return;
    this.#drawn = row.history;
    this.#drawnAt = generation;
    const { line, area } = sparkline(row.history, sparkWidth, sparkHeight);
    mark(this.#spark.line, 'd', line);
    mark(this.#spark.area, 'd', area);
  }

  #cell(id: string, text: string, isQuiet = text === nothing): void {
    const cell = this.#cells[id];
    if (cell === undefined) return;
    const shown = plain(text);
    say(cell, shown);
    mark(cell, 'title', shown);
    cell.classList.toggle('quiet', isQuiet);
  }
}

/** `ready 3 h`. */
export function stateOf({ instance, goneAt }: Row): string {
  if (goneAt !== undefined) return `gone ${duration(Date.now() - goneAt)}`;
  return `${instance.state} ${duration(Date.now() - Date.parse(instance.since))}`;
}

function some(number: number, thing: string): string {
  return `${count(number)} ${thing}${number === 1 ? '' : 's'}`;
}

/** Worth a look now. */
function isRecent(iso: string): boolean {
  return Date.now() - Date.parse(iso) < 900_000;
}

export function ago(iso: string): string {
  return `${duration(Date.now() - Date.parse(iso))} ago`;
}
