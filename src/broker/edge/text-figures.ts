// Figures in Prometheus' text format, on a runtime that its library does not know. Names, helps and labels come from
// our own code, and label values from closed lists: there is nothing to escape.

import type { Counts } from '../../metrics/registry.ts';
import type { FigureSink } from '../relay-figures.ts';

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

export class TextFigures implements FigureSink {
  #text = '';

  get text(): string {
    return this.#text;
  }

  total(name: string, help: string, read: () => number): void {
    this.#begin(name, help, 'counter');
    this.#text += `${name} ${read()}\n`;
  }

  level(name: string, help: string, read: () => number): void {
    this.#begin(name, help, 'gauge');
    this.#text += `${name} ${read()}\n`;
  }

  totals(name: string, help: string, label: string, read: () => Counts): void {
    this.#begin(name, help, 'counter');
    this.#series(name, label, read());
  }

  gauge(name: string, help: string, label: string, read: () => Counts): void {
    this.#begin(name, help, 'gauge');
    this.#series(name, label, read());
  }

  #begin(name: string, help: string, type: string): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  #series(name: string, label: string, counts: Counts): void {
    for (const [value, count] of Object.entries(counts))
      this.#text += `${name}{${label}="${value}"} ${count}\n`;
  }
}
