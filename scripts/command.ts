// The command line as a few modules that import nothing but Node, dist/command/, with the licences of what is in them: the
// broker's are over five hundred files otherwise, and to find, read and link them is most of the time that a start takes.

import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { licensesOf } from './licenses.ts';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const target = `${dist}command`;

rmSync(target, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: [`${dist}src/cli/main.js`],
  outdir: target,
  bundle: true,
  // A command loads what it needs, and no other's.
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.12',
  // Names stay, for profiles and traces.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  // For the packages in it that are no ES modules.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(`${target}/licenses.txt`, licensesOf(metafile));
