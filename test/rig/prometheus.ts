// Figures as Prometheus reads them, from real output; and promtool's own word about it.

import type { Rig } from './rig.ts';

export type Figures = ReadonlyMap<string, number>;

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)$/;

/** Values by name and labels as they are written. Whether all is well-formed is for {@link lint} to say. */
export function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, series = '', value = ''] = sampleLine.exec(line) ?? [];
    if (series === '' || samples.has(series)) throw new Error(`no sample, or one twice: ${line}`);
    samples.set(series, value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value));
  }
  return samples;
}

/** Each metric's name as `# TYPE` has it, with its type. */
export function typesOf(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  );
}

/** What promtool finds wrong with figures, a line each. */
export async function lint(rig: Rig, text: string): Promise<string[]> {
  const { stdout, stderr } = await rig.run('promtool', ['check', 'metrics'], text);
  return (stdout.toString() + stderr).split('\n').filter((line) => line !== '');
}

export async function textOf(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

/** What a broker, agent or gateway on loopback says now. */
export async function figuresOf(port: number): Promise<Figures> {
  return samplesOf(await textOf(port));
}
