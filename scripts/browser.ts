// The client for browsers as one module that imports nothing, dist/browser/fairlead.js, with the licences of what is in it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { licensesOf } from './licenses.ts';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

mkdirSync(`${dist}browser`, { recursive: true });
const { metafile } = await build({
  entryPoints: [`${dist}src/browser/index.js`],
  outfile: `${dist}browser/fairlead.js`,
  bundle: true,
  minify: true,
  // Anything of Node's in it is an error here.
  platform: 'browser',
  format: 'esm',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(`${dist}browser/fairlead.js.licenses.txt`, licensesOf(metafile));
