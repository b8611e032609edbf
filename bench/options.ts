// What can be asked of the benchmark.

import { parseArgs } from 'node:util';
import { defaultSubjects, subjectNames } from './subjects/index.ts';

export const sections = ['bulk', 'latency', 'streams', 'memory'] as const;
export type Section = (typeof sections)[number];

export interface BenchOptions {
  readonly subjects: readonly string[];
  /** What ratios are to; one of the subjects. */
  readonly baseline: string;
  readonly sections: readonly Section[];
  readonly rounds: number;
  /** In one transfer, over all its streams. */
  readonly bytes: number;
  /** Of counts: 1, or less where it should be short. */
  readonly scale: number;
  readonly json: string | undefined;
  /** A directory for SVG plots. */
  readonly plots: string | undefined;
  readonly profile: boolean;
}

export class UsageError extends Error {}

const help = `npm run bench -- [options]
  --subjects A,B,…   default ${defaultSubjects.join(',')}
                     of    ${subjectNames.join(', ')}
  --baseline A       what ratios are to; default chain-3, or else the first subject
  --only A,B,…       of ${sections.join(', ')}; default all
  --rounds N         default 5
  --mib N            MiB in one transfer; default 512
  --quick            two rounds of 128 MiB, fewer of everything
  --json FILE        write what was measured
  --plots DIR        write a plot (SVG) for each workload
  --profile          say where the time of each process goes, by a sample every 0.5 ms`;

/** @throws UsageError, and undefined where only help was asked for */
export function parseOptions(args: string[]): BenchOptions | undefined {
  const { values } = parse(args);
  if (values.help) {
    process.stdout.write(`${help}\n`);
    return undefined;
  }
  const subjects = list(values.subjects, subjectNames, '--subjects') ?? defaultSubjects;
  const baseline = values.baseline ?? (subjects.includes('chain-3') ? 'chain-3' : (subjects[0] ?? ''));
  if (!subjects.includes(baseline)) throw new UsageError(`--baseline ${baseline} is not among the subjects`);
  return {
    subjects,
    baseline,
    sections: list(values.only, sections, '--only') ?? sections,
    rounds: count(values.rounds, values.quick ? 2 : 5, '--rounds'),
    bytes: count(values.mib, values.quick ? 128 : 512, '--mib') * 1024 * 1024,
    scale: values.quick ? 0.2 : 1,
    json: values.json,
    plots: values.plots,
    profile: values.profile,
  };
}

function parse(args: string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      options: {
        subjects: text,
        baseline: text,
        only: text,
        rounds: text,
        mib: text,
        quick: flag,
        json: text,
        plots: text,
        profile: flag,
        help: flag,
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${help}`);
  }
}

function list<Name extends string>(
  text: string | undefined,
  names: readonly Name[],
  flag: string,
): readonly Name[] | undefined {
  return text?.split(',').map((part) => {
    const name = names.find((known) => known === part);
    if (name === undefined) throw new UsageError(`${flag} ${part}: it is one of ${names.join(', ')}`);
    return name;
  });
}

function count(text: string | undefined, otherwise: number, flag: string): number {
  const number = Number(text ?? otherwise);
  if (!Number.isInteger(number) || number < 1) throw new UsageError(`${flag} is a whole number from 1`);
  return number;
}
