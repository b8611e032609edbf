// Scripts for the hostile relay (hostile-relay.ts), drawn from a seed: a list of steps, so that one that finds
// something can be made shorter step by step.

import { Random } from './clock.ts';

/** `calm`: nothing is lost but with a whole link. `rough`: any message may be. `forging`: some are made up. */
export type Temper = 'calm' | 'rough' | 'forging';

/** Steps by how often they begin one: opening, writing and delivering more often than the rest. */
const rough = [
  0, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 12, 13, 14, 15, 15,
  16, 17, 18, 19, 20, 20, 21, 22, 23,
];
const calm = [0, 1, 1, 1, 1, 1, 2, 4, 4, 4, 5, 5, 5, 5, 8, 13, 15, 15, 16, 17, 17, 20];

/** The first step only sets limits; the others are an operation and what it needs. */
export function stepsOf(seed: number, temper: Temper): Uint8Array[] {
  const random = new Random(seed);
  const operations = temper === 'calm' ? calm : rough;
  const steps = [Uint8Array.of(random.int(0, 255), random.int(0, 255))];
  for (let n = random.int(40, 300); n > 0; n -= 1) {
    const bytes = [operations[random.int(0, operations.length - 1)] ?? 0];
    for (let more = random.int(4, 24); more > 0; more -= 1) bytes.push(random.int(0, 255));
    steps.push(Uint8Array.from(bytes));
  }
  return steps;
}

/** A script's bytes, zeros once they are used up. */
export class Script {
  private readonly script: Uint8Array;
  private at = 0;

  constructor(script: Uint8Array) {
    this.script = script;
  }
  get left(): number {
    return this.script.length - this.at;
  }
  byte(): number {
    const byte = this.script[this.at] ?? 0;
    this.at += 1;
    return byte;
  }
  bytes(length: number): Uint8Array {
    const bytes = this.script.slice(this.at, this.at + length);
    this.at += length;
    return bytes;
  }
  /** One of several. */
  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.byte() % choices.length] ?? choices[0];
  }
}
