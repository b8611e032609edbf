// The npm package: what is in it, and that it works where it is installed.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { install, pack, project, type Tarball } from './tarball.ts';

interface PackageJson {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const packageJson = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as PackageJson;
const entryPoints = Object.keys(packageJson.exports).filter((name) => name !== './package.json');
const specifiers = entryPoints.map((name) => name.replace(/^\./, 'fairlead'));

const rig = new Rig();
let tarball: Tarball;
let home: string;

beforeAll(() => {
  tarball = pack(rig.directory);
  home = install(tarball, rig.directory);
});
afterAll(() => rig[Symbol.asyncDispose]());

test('the tarball holds programs, types and documents: no tests, no sources, nothing that was left lying about', () => {
  const known = [
    /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
    /^bin\/fairlead$/,
    /^docs\/[\w/.-]+\.(md|png|json)$/,
    /^dist\/browser\/fairlead\.js(\.licenses\.txt)?$/,
    /^dist\/command\/([\w-]+\.js|licenses\.txt)$/,
    /^dist\/src\/[\w/-]+\.(d\.ts|js)$/,
    // The status page is one document in one module; what it was made of stays at home.
    /^dist\/src\/page\/page\.generated\.(d\.ts|js)$/,
  ];
  expect(tarball.paths.filter((path) => !known.some((pattern) => pattern.test(path)))).toEqual([]);
  for (const path of ['LICENSE', 'CHANGELOG.md', 'README.md', 'bin/fairlead'])
    expect(tarball.paths).toContain(path);
  const modules = tarball.paths.filter((path) => path.startsWith('dist/src/'));
  expect(modules.length).toBeGreaterThan(100);
  // The command has them in it.
  expect(modules.filter((path) => /^dist\/src\/(agent|broker|cli)\//.test(path))).toEqual([]);
  for (const path of modules) {
    const source = path.replace(/^dist\//, '').replace(/\.(d\.ts|js)$/, '.ts');
    expect(existsSync(join(project, source)), `${path} has a source: "rm -rf dist" and build`).toBe(true);
  }
});

test('it stays small', () => {
  expect(tarball.bytes).toBeLessThan(1_500_000);
  expect(tarball.unpackedBytes).toBeLessThan(5_500_000);
});

test('publint finds nothing to complain about', async () => {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball.file);
  const { messages } = await publint({
    strict: true,
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) },
  });
  expect(messages).toEqual([]);
});

test('the types of every entry point are found by every way in which ES modules are resolved', async () => {
  const args = ['attw', '--profile', 'esm-only', '--format', 'json', tarball.file];
  const { code, stdout } = await rig.run('npx', args, '', { cwd: project });
  const { analysis } = JSON.parse(stdout.toString()) as {
    analysis: {
      entrypoints: Record<string, { resolutions: Record<string, { resolution?: { isJson?: boolean } }> }>;
    };
  };
  expect(Object.keys(analysis.entrypoints).sort()).toEqual(Object.keys(packageJson.exports).sort());
  for (const name of entryPoints) {
    const found = analysis.entrypoints[name]?.resolutions;
    expect(found?.['node16-esm']?.resolution, name).toBeDefined();
    expect(found?.bundler?.resolution, name).toBeDefined();
  }
  expect(code).toBe(0);
});

test.each([
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
])(
  'a program with module %s and resolution %s is checked against them, libraries and all',
  async (module, moduleResolution) => {
    const options = {
      module,
      moduleResolution,
      target: 'es2022',
      strict: true,
      noEmit: true,
      types: ['node'],
    };
    const compilerOptions = {
      ...options,
      typeRoots: [join(project, 'node_modules/@types')],
      skipLibCheck: false,
    };
    rig.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['right.ts', 'wrong.ts'] }));
    const imports = specifiers.map((name, i) => `import * as m${i} from '${name}'; void m${i};`).join('\n');
    const use = (port: string) => `${imports}
import type { Duplex } from 'node:stream';
import { connect } from 'fairlead/client';
const broker = connect({ url: 'wss://broker.example.com', token: async () => 'token' });
const socket: Duplex = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: ${port} });
socket.end();
await broker.close();
export {};
`;
    rig.write('right.ts', use('22'));
    rig.write('wrong.ts', use("'22'"));
    const tsc = join(project, 'node_modules/.bin/tsc');
    const { stdout } = await rig.run(tsc, ['-p', '.'], '', { cwd: rig.directory });
    // What is wrong in the types of others, and nothing that they export to us, is theirs.
    const ours = stdout.toString().match(/^(\w+\.ts|node_modules\/fairlead).*$/gm) ?? [];
    expect(ours).toEqual([
      expect.stringMatching(/^wrong\.ts.*Type 'string' is not assignable to type 'number'/),
    ]);
  },
);

test('it runs where it is installed: every entry point is imported, and the command says its version', async () => {
  const program = specifiers
    .map((name) => `console.log(Object.keys(await import('${name}')).join());`)
    .join('');
  const imported = await rig.run(process.execPath, ['--input-type=module', '-e', program], '', {
    cwd: rig.directory,
  });
  expect(imported.stderr).toBe('');
  expect(imported.stdout.toString()).toContain('FairleadError');
  const cli = join(home, 'bin/fairlead');
  const said = await rig.run(cli, ['--version'], '', { cwd: rig.directory });
  expect(said.stdout.toString()).toBe(`${packageJson.version}\n`);
  const help = await rig.run(cli, ['--help'], '', { cwd: rig.directory });
  expect(help.code).toBe(0);
  expect(help.stdout.toString()).toContain('fairlead up');
});

test('nothing is imported that is not among its dependencies', async () => {
  // Every module of the package, in the place where only its dependencies are.
  const modules = tarball.paths.filter((path) => /^dist\/src\/.*\.js$/.test(path));
  const program = `for (const path of ${JSON.stringify(modules)}) await import('${home}/' + path);`;
  const { code, stderr } = await rig.run(
    process.execPath,
    ['--preserve-symlinks', '--input-type=module', '-e', program],
    '',
    { cwd: rig.directory },
  );
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

test('the client pulls in no server', async () => {
  const { build } = await import('esbuild');
  const { metafile } = await build({
    entryPoints: [join(home, 'dist/src/client/index.js')],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    // ws tries for them, and goes without: nobody who installs the package gets them.
    external: ['bufferutil', 'utf-8-validate'],
  });
  const inputs = Object.keys(metafile.inputs);
  const packages = new Set(inputs.map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]));
  packages.delete('fairlead');
  // What speaks WebSocket, reads a token's end, waits between attempts, knows whom a proxy is for, names a dial, and checks what a peer says.
  expect([...packages].sort()).toEqual(['cockatiel', 'ipaddr.js', 'jose', 'nanoid', 'ws', 'zod']);
  const layers = new Set(inputs.map((path) => /fairlead\/dist\/src\/(\w+)\//.exec(path)?.[1]));
  layers.delete(undefined);
  expect([...layers].sort()).toEqual(['client', 'e2e', 'files', 'link', 'protocol', 'tls']);
});

test('the licence is the whole of the one that package.json names', () => {
  const text = readFileSync(join(home, 'LICENSE'), 'utf8');
  expect(text).toMatch(/^\s+Apache License\s+Version 2\.0, January 2004/);
  expect(text).toContain('END OF TERMS AND CONDITIONS');
});

test('the changelog has the version, with its day, and what comes next above it', () => {
  const headings = [...readFileSync(join(home, 'CHANGELOG.md'), 'utf8').matchAll(/^## (.*)$/gm)];
  expect(headings[0]?.[1]).toBe('[Unreleased]');
  const released = headings.find(([, text]) => text?.startsWith(`[${packageJson.version}] - `));
  expect(released?.[1]).toMatch(/ - \d{4}-\d\d-\d\d$/);
});

test('nothing of it is built from a tree that git does not know', () => {
  const kept = new Set(execFileSync('git', ['ls-files'], { cwd: project, encoding: 'utf8' }).split('\n'));
  for (const path of tarball.paths.filter((name) => !name.startsWith('dist/'))) expect(kept).toContain(path);
});
