// A machine of which nothing is there but one program and the libraries that it names: no Node, no shell, no /etc, no /proc.

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface Chroot {
  /** What runs a command in it. */
  readonly command: readonly [string, ...string[]];
  /** Paths of all files in it, as seen from inside. */
  files(): string[];
}

/** `program` is put at its root. */
export function makeChroot(directory: string, program: string): Chroot {
  mkdirSync(directory, { recursive: true });
  const place = (from: string, to: string) => {
    mkdirSync(dirname(join(directory, to)), { recursive: true });
    copyFileSync(from, join(directory, to));
    chmodSync(join(directory, to), 0o755);
  };
  place(program, basename(program));
  for (const library of librariesOf(program)) place(library, library);
  // Who is not root has a namespace of its own to be root in.
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  return {
    command: ['unshare', ...asRoot, '--root', directory],
    files: () =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(directory.length))
        .sort(),
  };
}

/** What ldd names: the libraries, and the loader itself. */
function librariesOf(program: string): string[] {
  const list = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...list.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path ?? '');
}
