// Where the time of each process goes: V8's CPU profiles over all that was measured, summed up by function.

import { type CpuProfile, Inspector } from './inspector.ts';
import type { Path } from './processes.ts';

const intervalMicros = 500;
/** Lines that are shown of each process. */
const shown = 16;

/** Begins to take profiles of all Node processes of these paths; what it answers ends them and describes each. */
export async function profile(paths: readonly Path[]): Promise<() => Promise<string>> {
  const taken: { readonly name: string; readonly inspector: Inspector }[] = [];
  for (const path of paths)
    for (const [role, process] of Object.entries(path.processes)) {
      if (process.inspector === undefined) continue;
      const inspector = await Inspector.attach(process);
      await inspector.ask('Profiler.enable');
      await inspector.ask('Profiler.setSamplingInterval', { interval: intervalMicros });
      await inspector.ask('Profiler.start');
      taken.push({ name: `${path.name} ${role}`, inspector });
    }
  return async () => {
    const tables: string[] = [];
    for (const { name, inspector } of taken) {
      const { profile: whole } = await inspector.ask('Profiler.stop');
      if (whole !== undefined) tables.push(describe(name, whole));
      inspector.close();
    }
    return tables.join('\n');
  };
}

function describe(name: string, { nodes, samples, timeDeltas }: CpuProfile): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const micros = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, i) => {
    const frame = frames.get(id);
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
  return [`${name}: busy ${(busy / 1e6).toFixed(1)} s`, ...lines, ''].join('\n');
}
