// How many of something each source has at present. Holds no more entries than there are such things.

export class SourceCount {
  readonly #counts = new Map<string, number>();

  of(source: string): number {
    return this.#counts.get(source) ?? 0;
  }

  enter(source: string): void {
    this.#counts.set(source, this.of(source) + 1);
  }

  leave(source: string): void {
    const left = this.of(source) - 1;
    if (left > 0) this.#counts.set(source, left);
    else this.#counts.delete(source);
  }
}
