// The package as `npm pack` makes it, and a directory where it is installed beside what it depends on, and nothing else.

import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const project = fileURLToPath(new URL('../..', import.meta.url));

export interface Tarball {
  readonly file: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
  readonly paths: readonly string[];
}

interface PackReport {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** Of what is built already: its scripts would build it again, under the feet of other tests. */
export function pack(directory: string): Tarball {
  const answer = execFileSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', directory],
    { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const [report] = JSON.parse(answer) as PackReport[];
  if (report === undefined) throw new Error(`npm pack said nothing: ${answer}`);
  return {
    file: join(directory, report.filename),
    bytes: report.size,
    unpackedBytes: report.unpackedSize,
    paths: report.files.map(({ path }) => path).sort(),
  };
}

/** As `npm install` leaves it, with the packages of the lock file. Answers the package's own directory. */
export function install(tarball: Tarball, directory: string): string {
  const home = join(directory, 'node_modules', 'fairlead');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xzf', tarball.file, '--strip-components=1', '-C', home]);
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'user', type: 'module' }));
  for (const path of productionModules()) {
    const at = join(directory, relative(project, path));
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(path, at);
  }
  return home;
}

/** Directories of the packages that are installed with ours, those inside of others left out. */
function productionModules(): string[] {
  const list = execFileSync('npm', ['ls', '--omit=dev', '--parseable', '--all'], {
    cwd: project,
    encoding: 'utf8',
  });
  return list
    .split('\n')
    .filter((path) => path.startsWith(join(project, 'node_modules/')))
    .filter((path) => path.lastIndexOf('/node_modules/') === join(project, '/node_modules/').length - 14);
}
