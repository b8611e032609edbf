// All that is known of one agent, under its row.

import { make, makeSparkline } from './elements.ts';
import { bytes, count, milliseconds, moment, plain } from './format.ts';
import { columns } from './order.ts';
import { ago, stateOf } from './row-view.ts';
import type { Row } from './rows.ts';
import { sparkline } from './sparkline.ts';

const width = 600;
const height = 60;

export class Details {
  readonly element = make('div', 'details');
  readonly #cell = make('div');
  readonly #facts = make('dl');
  readonly #spark = makeSparkline(width, height);
  readonly #scale = make('p', 'scale');

  constructor() {
    this.element.id = 'details';
    this.element.setAttribute('role', 'row');
    this.#cell.setAttribute('role', 'gridcell');
    this.#cell.setAttribute('aria-colspan', String(columns.length));
    const graph = make('div', 'graph');
    graph.append(this.#spark.svg, this.#scale);
    this.#cell.append(this.#facts, graph);
    this.element.append(this.#cell);
  }

  show(row: Row): void {
    const { instance } = row;
    const { lastError, labels, routes, receivedBytes, sentBytes, streams, rttMs } = instance;
    const facts: [string, string | HTMLElement][] = [
      ['Node', row.node],
      ['Instance', instance.instance],
      ['State', stateOf(row)],
      ['Link since', moment(instance.since)],
    ];
    if (row.goneAt !== undefined) facts.push(['Gone since', moment(new Date(row.goneAt).toISOString())]);
    facts.push(['Version', instance.version ?? 'not told']);
    if (instance.address !== undefined) facts.push(['Address', instance.address]);
    facts.push(['Sessions', count(instance.sessions)]);
    if (streams !== undefined) facts.push(['Streams', count(streams)]);
    if (rttMs !== undefined) facts.push(['Round trip', milliseconds(rttMs)]);
    if (receivedBytes !== undefined && sentBytes !== undefined)
      facts.push(['Bytes', `${bytes(receivedBytes)} from it, ${bytes(sentBytes)} to it`]);
    facts.push(['Routes', routes.length === 0 ? 'its own name only' : chips(routes)]);
    const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    if (pairs.length > 0) facts.push(['Labels', chips(pairs)]);
    if (lastError !== undefined) {
      const error = make('span', 'error');
      error.append(
        make('strong', '', plain(lastError.code)),
        ` ${plain(lastError.reason)} `,
        make('span', 'muted', `${moment(lastError.at)}, ${ago(lastError.at)}`),
      );
      facts.push(['Last error', error]);
    }
    const list = facts.flatMap(([term, fact]) => {
      const data = make('dd');
      data.append(typeof fact === 'string' ? plain(fact) : fact);
      return [make('dt', '', term), data];
    });
    // A selection in it must outlive an update that changes nothing.
    const before = this.#facts.textContent;
    if (list.map(({ textContent }) => textContent).join('') !== before) this.#facts.replaceChildren(...list);
    const { line, area } = sparkline(row.history, width, height);
    this.#spark.line.setAttribute('d', line);
    this.#spark.area.setAttribute('d', area);
    const most = row.history.reduce((a, b) => Math.max(a, b), 0);
    this.#scale.textContent = `Both ways, now ${bytes(row.rate ?? 0)}/s, at most ${bytes(most)}/s in the last minutes`;
  }
}

function chips(texts: readonly string[]): HTMLElement {
  const list = make('ul', 'chips');
  list.append(...texts.map((text) => make('li', '', plain(text))));
  return list;
}
