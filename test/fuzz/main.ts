// `npm run fuzz [-- TARGET …] [--seconds N]`: coverage-guided fuzzing of each target in turn, 60 s if not told
// otherwise, with the corpus of the tests to begin with. What crashes is kept in test/fuzz/crashes/ and fails the run.

import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

/** Targets that answer with a promise; the others run several times as fast without waiting for one. */
const asynchronous: ReadonlySet<string> = new Set(['token', 'gate', 'config']);

const root = process.cwd();
const targetsDirectory = join(root, 'test/fuzz/targets');
const names = readdirSync(targetsDirectory).map((file) => basename(file, '.ts'));

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, libc: { type: 'string' } },
  allowPositionals: true,
});

/** Jazzer instruments what is `require`d; node_modules stay outside, so that coverage means our own code. */
async function bundle(name: string): Promise<string> {
  const outfile = join(root, 'dist/fuzz', `${name}.cjs`);
  await build({
    entryPoints: [join(targetsDirectory, `${name}.ts`)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'error',
  });
  return outfile;
}

/** A program as it is, or run with the C library in `--libc`. */
function withLibraries(program: string): [string, ...string[]] {
  const { libc } = values;
  if (libc === undefined) return [program];
  return [join(libc, 'ld-linux-x86-64.so.2'), '--library-path', libc, program];
}

/** Answers how many inputs were run. @throws where one of them broke a promise */
async function fuzz(name: string, seconds: number): Promise<number> {
  const target = await bundle(name);
  const found = join(root, 'dist/fuzz/corpus', name);
  const kept = join(root, 'test/fuzz/corpus', name);
  const crashes = join(root, 'test/fuzz/crashes', name);
  for (const directory of [found, kept, crashes]) mkdirSync(directory, { recursive: true });
  const cli = createRequire(import.meta.url).resolve('@jazzer.js/core/dist/cli.js');
  const jazzer = ['--no-warnings', cli, target, found, kept, '-i', 'dist/fuzz/', '--timeout', '20000'];
  if (!asynchronous.has(name)) jazzer.push('--sync');
  const engine = [`-max_total_time=${seconds}`, '-max_len=4096'];
  const [program, ...before] = withLibraries(process.execPath);
  const child = spawn(
    program,
    // The detectors watch for shells and paths: nothing here has any.
    [...before, ...jazzer, '--disableBugDetectors', '.*', '--', ...engine, `-artifact_prefix=${crashes}/`],
    { stdio: ['ignore', 'inherit', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-5_000_000);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const runs = Number(/^#(\d+)\s+DONE/m.exec(said)?.[1] ?? 0);
  if (code !== 0 || runs === 0)
    throw new Error(`${name} failed (exit ${code}):\n${said.replace(/^.*# Uses.*\n/gm, '').slice(-8000)}`);
  return runs;
}

for (const name of positionals.length === 0 ? names : positionals) {
  if (!names.includes(name)) throw new Error(`no target "${name}": there are ${names.join(', ')}`);
  const runs = await fuzz(name, Number(values.seconds));
  process.stdout.write(`${name}: ${runs} inputs in ${values.seconds} s, no promise broken\n`);
}
