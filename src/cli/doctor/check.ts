// A list of checks, each with what it needs, run one after the other: one that failed takes those with it that would
// only fail for the same reason. What a check found is bounded and printable whoever has said it.

import { printable } from '../../files/printable.ts';

/** `warn` passes, and says what to look after; `skip` says why there was nothing to check. */
type Outcome = 'ok' | 'warn' | 'fail' | 'skip';

export interface Finding {
  readonly outcome: Outcome;
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string | undefined;
}

export interface Check {
  readonly name: string;
  /** Checks that must have passed, or had nothing to check. */
  readonly needs: readonly string[];
  /** Answers what was found; what it throws is told as a failure. */
  readonly look: () => Promise<Finding>;
}

export interface Result extends Finding {
  readonly check: string;
}

/** Longest that either text may be. */
const maxCharacters = 600;

/** `told` hears each result as soon as it is there. */
export async function runChecks(
  checks: readonly Check[],
  told: (result: Result) => void,
  describe: (error: unknown) => string,
): Promise<Result[]> {
  const results: Result[] = [];
  const blocked = new Set<string>();
  for (const { name, needs, look } of checks) {
    const missing = needs.find((need) => blocked.has(need));
    let finding: Finding;
    if (missing !== undefined)
      finding = { outcome: 'skip', found: `not checked: "${missing}" has not passed` };
    else
      finding = await look().catch(
        (error: unknown): Finding => ({ outcome: 'fail', found: describe(error) }),
      );
    if (missing !== undefined || finding.outcome === 'fail') blocked.add(name);
    const result: Result = {
      check: name,
      outcome: finding.outcome,
      found: printable(finding.found, maxCharacters),
      ...(finding.advice === undefined ? {} : { advice: printable(finding.advice, maxCharacters) }),
    };
    results.push(result);
    told(result);
  }
  return results;
}

export function ok(found: string): Finding {
  return { outcome: 'ok', found };
}

export function warn(found: string, advice: string): Finding {
  return { outcome: 'warn', found, advice };
}

export function fail(found: string, advice: string): Finding {
  return { outcome: 'fail', found, advice };
}

export function skip(found: string): Finding {
  return { outcome: 'skip', found };
}
