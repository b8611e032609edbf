// What a seed makes happen in a world, as a list of named elements: each can be left out, so that what fails can be
// reduced to what it takes.

export class Schedule {
  /** In the order in which the run came to them. */
  readonly elements: string[] = [];
  private readonly kept: ReadonlySet<string> | undefined;
  private readonly numbers = new Map<string, number>();

  constructor(kept: ReadonlySet<string> | undefined) {
    this.kept = kept;
  }

  /** Whether the next element of this kind happens. */
  take(kind: 'stream' | 'fault' | 'loss' | 'repeat'): boolean {
    const number = (this.numbers.get(kind) ?? 0) + 1;
    this.numbers.set(kind, number);
    const name = `${kind} ${number}`;
    this.elements.push(name);
    return this.kept === undefined || this.kept.has(name);
  }
}
