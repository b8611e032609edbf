// The image, without an engine to build it: its text, and the files that it would hold, run as it would run them.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { deploy } from '../rig/manifests.ts';
import { Program, Rig } from '../rig/rig.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));

interface Instruction {
  readonly name: string;
  readonly text: string;
}

const stages = readFileSync(join(deploy, 'Dockerfile'), 'utf8')
  .replace(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split(/^(?=FROM )/m)
  .filter((stage) => stage.trim() !== '')
  .map((stage) =>
    stage
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line): Instruction => {
        const [, name = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
        return { name, text };
      }),
  );
const [build = [], image = []] = stages;

function only(stage: readonly Instruction[], name: string): string {
  const found = stage.filter((instruction) => instruction.name === name);
  expect(found).toHaveLength(1);
  return found[0]?.text ?? '';
}

/** `COPY` from the project, not from another stage: sources and where they go. */
function copies(stage: readonly Instruction[]): { sources: string[]; to: string }[] {
  return stage
    .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from='))
    .map(({ text }) => {
      const words = text.split(/\s+/);
      return { sources: words.slice(0, -1), to: words.at(-1) ?? '' };
    });
}

test('every instruction is one that a builder knows, and both stages begin from one base', () => {
  expect(stages).toHaveLength(2);
  const known = ['FROM', 'ENV', 'WORKDIR', 'COPY', 'RUN', 'USER', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD'];
  for (const { name } of stages.flat()) expect(known).toContain(name);
  const { engines } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  expect(engines.node).toMatch(/^>=20/);
  expect(only(build, 'FROM')).toBe('node:20-bookworm-slim AS build');
  expect(only(image, 'FROM')).toBe('node:20-bookworm-slim');
});

test('all that is copied is kept in the project, and reaches the builder', () => {
  const kept = execFileSync('git', ['ls-files'], { cwd: project, encoding: 'utf8' }).split('\n');
  const sent = readFileSync(join(deploy, 'Dockerfile.dockerignore'), 'utf8').split('\n');
  for (const { sources } of [...copies(build), ...copies(image)])
    for (const source of sources) {
      const at = relative('.', source);
      expect(
        kept.some((file) => file === at || file.startsWith(`${at}/`)),
        source,
      ).toBe(true);
      expect(sent).toContain(`!${at}`);
    }
});

test('the sources that are copied are enough to build', () => {
  const sources = copies(build).flatMap((copy) => copy.sources);
  expect(sources).toEqual(
    expect.arrayContaining(['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']),
  );
  // What the sources import from the project lies among them.
  const strays = spawnSync('grep', ['-rnE', "from '(\\.\\./)+(test|scripts|bench)/", join(project, 'src')], {
    encoding: 'utf8',
  });
  expect(strays.stdout).toBe('');
});

test('the image runs as nobody in particular, without any package beside it, and answers its health check', async () => {
  expect(only(image, 'USER')).toMatch(/^[1-9]\d+:[1-9]\d+$/);
  await using rig = new Rig();
  const root = rig.path('image');
  const app = join(root, only(image, 'WORKDIR'));
  for (const { name, text } of image) {
    if (name !== 'COPY') continue;
    const [, from, to] = /^(?:--from=build \/app\/)?(.*) (\S+)$/.exec(text) ?? [];
    for (const source of (from ?? '').split(' ')) {
      const target = (to ?? '').endsWith('./') ? join(app, source) : join(app, to ?? '');
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(project, source), target, { recursive: true });
    }
  }

  const entry = JSON.parse(only(image, 'ENTRYPOINT')) as string[];
  const command = JSON.parse(only(image, 'CMD')) as string[];
  const [program = ''] = entry;
  expect(existsSync(join(root, program))).toBe(true);
  const secret = rig.write('secret', `${'s'.repeat(44)}\n`);
  const here = (text: string) =>
    text.replace('/etc/fairlead/secret', secret).replace('0.0.0.0:8080', '127.0.0.1:0');
  const child = spawn(join(root, program), [...entry.slice(1), ...command].map(here), {
    cwd: app,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  rig.defer(() => child.kill('SIGKILL'));
  const broker = new Program('the image', child);
  const [port = 0] = await broker.ports();

  const [, check = ''] = /CMD (\[.*\])$/.exec(only(image, 'HEALTHCHECK')) ?? [];
  const [node = '', ...args] = JSON.parse(check) as string[];
  const healthy = (at: number) =>
    rig.run(
      node,
      args.map((text) => text.replace(':8080/', `:${at}/`)),
    );
  expect((await healthy(port)).code).toBe(0);
  expect(await broker.kill('SIGTERM')).toBe(0);
  expect((await healthy(port)).code).toBe(1);
});
