// Where the time of each process goes: V8's CPU profiles, summed up by what the code is for.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Lines that are shown of each process. */
const shown = 14;

/** A table for each profile in the directory, most expensive first; without what is idle. */
export function describeProfiles(directory: string): string {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => describe(JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile, name))
    .join('\n');
}

function describe({ nodes, samples, timeDeltas }: CpuProfile, name: string): string {
  const callers = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const micros = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, i) => {
    const frame = callers.get(id);
    const spent = timeDeltas[i] ?? 0;
    if (frame === undefined || frame.functionName === '(idle)') return;
    busy += spent;
    const file = frame.url.split('/').slice(-2).join('/');
    const where = `${frame.functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${frame.lineNumber + 1}`}`;
    micros.set(where, (micros.get(where) ?? 0) + spent);
  });
  const lines = [...micros]
    .sort(([, a], [, b]) => b - a)
    .slice(0, shown)
    .map(([where, spent]) => `  ${((100 * spent) / busy).toFixed(1).padStart(5)} %  ${where}`);
  const program =
    nodes.find(({ callFrame }) => /dist\/src\/cli|dist\/bench/.test(callFrame.url))?.callFrame.url ?? '';
  return [
    `${name} ${program.split('/').slice(-2).join('/')}: busy ${(busy / 1e6).toFixed(1)} s`,
    ...lines,
    '',
  ].join('\n');
}
