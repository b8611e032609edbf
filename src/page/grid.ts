// The list on the screen: of thousands of rows only those in sight exist. One row is active, which the arrow keys move;
// it may be open, with its details under it. The focus stays with the grid, so that rows may come and go beneath it.

import { Details } from './details.ts';
import { mark, part } from './elements.ts';
import { RowView } from './row-view.ts';
import type { Row } from './rows.ts';

/** Rows beyond both edges, so that scrolling finds them there. */
const spare = 4;

export class Grid {
  readonly #grid = part('grid');
  readonly #head = part('head');
  readonly #canvas = part('canvas');
  readonly #views: RowView[] = [];
  readonly #details = new Details();
  #rows: readonly Row[] = [];
  /** By their keys: rows move while somebody reads. */
  #activeKey: string | undefined;
  #openKey: string | undefined;
  #generation = 0;
  #rowHeight = 44;
  #detailsHeight = 0;
  #frame = 0;

  constructor() {
    this.#grid.addEventListener('scroll', () => this.#later(), { passive: true });
    this.#grid.addEventListener('keydown', (event) => this.#key(event));
    this.#canvas.addEventListener('click', (event) => this.#click(event));
    new ResizeObserver(() => this.#later()).observe(this.#grid);
    new ResizeObserver(() => this.#later()).observe(this.#details.element);
  }

  get isOpen(): boolean {
    return this.#openKey !== undefined;
  }

  show(rows: readonly Row[]): void {
    this.#rows = rows;
    this.#generation++;
    mark(this.#grid, 'aria-rowcount', String(rows.length + 1));
    this.#draw();
  }

  toTop(): void {
    this.#grid.scrollTop = 0;
  }

  #later(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const rows = this.#rows;
    this.#rowHeight = Number.parseFloat(getComputedStyle(this.#grid).getPropertyValue('--row')) || 44;
    const open = this.#indexOf(this.#openKey);
    if (open === -1) this.#openKey = undefined;
    this.#place(open);
    this.#canvas.style.height = `${rows.length * this.#rowHeight + this.#detailsHeight}px`;
    const height = this.#grid.clientHeight - this.#head.offsetHeight;
    const top = this.#grid.scrollTop;
    const first = Math.max(0, Math.floor((top - this.#detailsHeight) / this.#rowHeight) - spare);
    const last = Math.min(rows.length - 1, Math.ceil((top + height) / this.#rowHeight) + spare);
    const needed = Math.max(0, last - first + 1);
    while (this.#views.length < needed) {
      const view = new RowView();
      this.#views.push(view);
      this.#canvas.append(view.element);
    }
    const active = this.#indexOf(this.#activeKey);
    // A row keeps its element while it is in sight, so that scrolling changes few of them.
    const used = new Set<RowView>();
    for (let index = first; index <= last; index++) {
      const view = this.#views[index % this.#views.length];
      const row = rows[index];
      if (view === undefined || row === undefined) continue;
      used.add(view);
      view.show(row, index, this.#generation, index === active, index === open);
      view.element.style.transform = `translateY(${this.#topOf(index, open)}px)`;
      view.element.hidden = false;
    }
    for (const view of this.#views) {
      if (used.has(view)) continue;
      view.element.hidden = true;
      view.element.removeAttribute('id');
    }
    if (active >= first && active <= last) mark(this.#grid, 'aria-activedescendant', `row-${active}`);
    else this.#grid.removeAttribute('aria-activedescendant');
  }

  #place(open: number): void {
    const { element } = this.#details;
    const row = this.#rows[open];
    if (row === undefined) {
      element.remove();
      this.#detailsHeight = 0;
      return;
    }
    this.#details.show(row);
    if (!element.isConnected) this.#canvas.append(element);
    element.style.transform = `translateY(${(open + 1) * this.#rowHeight}px)`;
    this.#detailsHeight = element.offsetHeight;
  }

  #topOf(index: number, open: number): number {
    return index * this.#rowHeight + (open !== -1 && index > open ? this.#detailsHeight : 0);
  }

  #indexOf(key: string | undefined): number {
    return key === undefined ? -1 : this.#rows.findIndex((row) => row.key === key);
  }

  #key(event: KeyboardEvent): void {
    if (event.target !== this.#grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(
      1,
      Math.floor((this.#grid.clientHeight - this.#head.offsetHeight) / this.#rowHeight) - 1,
    );
    const active = this.#indexOf(this.#activeKey);
    const last = this.#rows.length - 1;
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: last,
    };
    const to = moves[event.key];
    if (to !== undefined) this.#activate(Math.max(0, Math.min(last, to)));
    else if (event.key === 'Enter' || event.key === ' ') this.#toggle(active);
    else if (event.key === 'Escape' && this.#openKey !== undefined)
      this.#toggle(this.#indexOf(this.#openKey));
    else return;
    event.preventDefault();
  }

  #click({ target }: MouseEvent): void {
    const view = this.#views.find(({ element }) => element.contains(target as Node));
    if (view === undefined) return;
    // Whoever marks text in order to copy it does not mean to open anything.
    if (getSelection()?.isCollapsed === false) return;
    const index = Number(view.element.getAttribute('aria-rowindex')) - 2;
    this.#activeKey = this.#rows[index]?.key;
    this.#toggle(index);
  }

  #activate(index: number): void {
    this.#activeKey = this.#rows[index]?.key;
    const top = this.#topOf(index, this.#indexOf(this.#openKey));
    const height = this.#grid.clientHeight - this.#head.offsetHeight;
    const { scrollTop } = this.#grid;
    if (top < scrollTop) this.#grid.scrollTop = top;
    else if (top + this.#rowHeight > scrollTop + height)
      this.#grid.scrollTop = top + this.#rowHeight - height;
    this.#draw();
  }

  #toggle(index: number): void {
    const row = this.#rows[index];
    if (row === undefined) return;
    this.#openKey = this.#openKey === row.key ? undefined : row.key;
    this.#draw();
    if (this.#openKey === undefined) return;
    // In sight with its details, as far as both fit.
    const height = this.#grid.clientHeight - this.#head.offsetHeight;
    const top = index * this.#rowHeight;
    const bottom = top + this.#rowHeight + this.#detailsHeight;
    if (bottom > this.#grid.scrollTop + height) this.#grid.scrollTop = Math.min(top, bottom - height);
    this.#draw();
  }
}
