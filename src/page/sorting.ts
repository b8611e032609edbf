// The heads of the columns, and on narrow screens a list to choose from: both say, and set, the one order there is.

import { make, mark, part } from './elements.ts';
import { type ColumnId, columns, type Order } from './order.ts';

export class Sorting {
  order: Order = { column: 'node', isDown: false };
  readonly #heads = new Map<ColumnId, HTMLElement>();
  readonly #select = part<HTMLSelectElement>('sort');
  readonly #direction = part<HTMLButtonElement>('direction');
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
    const heads = part('columns');
    for (const { id, title } of columns) {
      const head = make('div', `cell ${id}`);
      head.setAttribute('role', 'columnheader');
      const button = make('button', '', title);
      button.setAttribute('type', 'button');
      button.addEventListener('click', () => this.#choose(id));
      head.append(button);
      heads.append(head);
      this.#heads.set(id, head);
      this.#select.append(new Option(title, id));
    }
    this.#select.addEventListener('change', () => this.#choose(this.#select.value as ColumnId));
    this.#direction.addEventListener('click', () => this.#choose(this.order.column));
    this.#tell();
  }

  /** The same column again turns the order. */
  #choose(column: ColumnId): void {
    const isDown =
      column === this.order.column
        ? !this.order.isDown
        : (columns.find(({ id }) => id === column)?.firstDown ?? false);
    this.order = { column, isDown };
    this.#tell();
    this.#changed();
  }

  #tell(): void {
    const { column, isDown } = this.order;
    const direction = isDown ? 'descending' : 'ascending';
    for (const [id, head] of this.#heads) {
      if (id === column) mark(head, 'aria-sort', direction);
      else head.removeAttribute('aria-sort');
    }
    this.#select.value = column;
    this.#direction.textContent = isDown ? '↓' : '↑';
    mark(this.#direction, 'aria-label', `Order: ${direction}`);
  }
}
