// Branches of the session core that a run has taken: V8 counts, the syntax tree says what a branch is (both arms of
// each `if`, `?:`, `??`, `&&`, `||`). For `npm run simulate -- --coverage`.

import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'acorn';
import { convert } from 'ast-v8-to-istanbul';
import coverageMaps from 'istanbul-lib-coverage';

/** Of `src/protocol/`, what is not the session core: what brokers say, words for people and logs, and patterns. */
const others = new Set([
  'control.js',
  'dial-mark.js',
  'errors.js',
  'labels.js',
  'pattern.js',
  'status.js',
  'session-host.js',
]);

export interface BranchCoverage {
  readonly taken: number;
  readonly of: number;
  /** `file:line` of each branch that was not taken. */
  readonly missed: readonly string[];
}

/** Counts from here on; answers what ends it. Call before the core is loaded. */
export async function countBranches(): Promise<() => Promise<BranchCoverage>> {
  const inspector = new Session();
  inspector.connect();
  await inspector.post('Profiler.enable');
  await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return async () => {
    const { result } = await inspector.post('Profiler.takePreciseCoverage');
    inspector.disconnect();
    const map = coverageMaps.createCoverageMap();
    for (const script of result) {
      if (!/\/src\/protocol\/[\w-]+\.js$/.test(script.url) || others.has(basename(script.url))) continue;
      const path = fileURLToPath(script.url);
      const code = readFileSync(path, 'utf8');
      map.merge(
        await convert({
          code,
          sourceMap: JSON.parse(readFileSync(`${path}.map`, 'utf8')),
          coverage: script,
          ast: parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true }),
        }),
      );
    }
    return summary(map);
  };
}

function summary(map: coverageMaps.CoverageMap): BranchCoverage {
  const missed: string[] = [];
  let of = 0;
  for (const path of map.files()) {
    const { b, branchMap } = map.fileCoverageFor(path).data;
    for (const [id, counts] of Object.entries(b)) {
      of += counts.length;
      counts.forEach((count, arm) => {
        const branch = branchMap[id];
        if (count > 0 || branch === undefined) return;
        const { line } = branch.locations[arm]?.start ?? branch.loc.start;
        missed.push(`${basename(path)}:${line ?? branch.loc.start.line} ${branch.type} ${arm}`);
      });
    }
  }
  return { taken: of - missed.length, of, missed };
}
