// What one seed is: a world of brokers, agents and dialers (world.ts), and two sessions with a hostile relay between
// them (hostile-relay.ts). A run adds up what happened in them and stops at the first that fails.

import { HostileRelay, type RelayCounts } from './hostile-relay.ts';
import { stepsOf, type Temper } from './script.ts';
import { shrink } from './shrink.ts';
import { type Counts, noCounts, World } from './world.ts';

export interface Failure {
  readonly seed: number;
  readonly kind: 'world' | Temper;
  readonly violations: readonly string[];
}

interface Outcome {
  readonly counts: Counts;
  readonly relay: RelayCounts;
  readonly failure?: Failure;
}

/** A failure with no more to it than it takes. */
export interface Shrunk {
  readonly seed: number;
  readonly kind: Failure['kind'];
  readonly violation: string;
  /** Elements of the schedule before and after. */
  readonly from: number;
  readonly to: number;
  /** What is left: names of a world's elements, or a relay's steps in hexadecimal. */
  readonly schedule: readonly string[];
}

export function shrinkFailure({ seed, kind }: Failure): Shrunk {
  if (kind === 'world') {
    const full = new World(seed);
    full.run();
    const names = full.schedule.elements;
    const schedule = shrink(names, (kept) => new World(seed, new Set(kept)).run().length > 0);
    const [violation = ''] = new World(seed, new Set(schedule)).run();
    return { seed, kind, violation, from: names.length, to: schedule.length, schedule };
  }
  const [first = Uint8Array.of(), ...steps] = stepsOf(seed, kind);
  const kept = shrink(steps, (some) => relayFailure(kind, [first, ...some]) !== undefined);
  const schedule = [first, ...kept].map((step) => Buffer.from(step).toString('hex'));
  const violation = relayFailure(kind, [first, ...kept]) ?? '';
  return { seed, kind, violation, from: steps.length, to: kept.length, schedule };
}

/** Runs what {@link shrinkFailure} left; answers what is wrong, or undefined. */
export function replay({
  seed,
  kind,
  schedule,
}: Pick<Shrunk, 'seed' | 'kind' | 'schedule'>): string | undefined {
  if (kind === 'world') return new World(seed, new Set(schedule)).run()[0];
  return relayFailure(
    kind,
    schedule.map((step) => Buffer.from(step, 'hex')),
  );
}

const tempers: readonly Temper[] = ['calm', 'rough', 'forging'];

/** Why these steps fail, or undefined. */
function relayFailure(temper: Temper, steps: readonly Uint8Array[], into?: RelayCounts): string | undefined {
  try {
    const { counts } = HostileRelay.obey(temper, steps);
    if (into !== undefined) addTo(into, counts);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Runs the seeds from `from` on; stops at the first failure. */
export function simulate(from: number, seeds: number): Outcome {
  const counts = noCounts();
  const relay = new HostileRelay('rough').counts;
  for (let seed = from; seed < from + seeds; seed += 1) {
    // The cheaper first: what fails in both is shorter there.
    const temper = tempers[seed % tempers.length] ?? 'rough';
    const violation = relayFailure(temper, stepsOf(seed, temper), relay);
    if (violation !== undefined)
      return { counts, relay, failure: { seed, kind: temper, violations: [violation] } };
    const world = new World(seed);
    const violations = world.run();
    addTo(counts, world.counts);
    if (violations.length > 0) return { counts, relay, failure: { seed, kind: 'world', violations } };
  }
  return { counts, relay };
}

function addTo<T extends { [name in keyof T]: number }>(sum: T, more: T): void {
  for (const name of Object.keys(sum) as (keyof T)[]) sum[name] = (sum[name] + more[name]) as T[keyof T];
}
