// `npm run executable`: the agent as one file with Node in it, dist/fairlead-agent, for machines of this one's kind.
// Prints its size.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { inject } from 'postject';
import { version } from '../src/cli/version.ts';
import { licensesOf } from './licenses.ts';

/** Where Node's executable says that something was put into it: Node's documentation of single executables. */
const sentinelFuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const parts = `${dist}executable/`;
const target = `${dist}fairlead-agent`;

async function main(): Promise<void> {
  mkdirSync(parts, { recursive: true });
  const { metafile } = await build({
    entryPoints: [`${dist}src/cli/agent-executable.js`],
    outfile: `${parts}agent.cjs`,
    bundle: true,
    metafile: true,
    platform: 'node',
    target: 'node20.12',
    format: 'cjs',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    define: {
      FAIRLEAD_VERSION: JSON.stringify(version),
      'import.meta.url': '"file:///"',
      // ws would look for faster native modules, which one file cannot hold.
      'process.env.WS_NO_BUFFER_UTIL': '"1"',
      'process.env.WS_NO_UTF_8_VALIDATE': '"1"',
    },
  });
  const config = {
    main: `${parts}agent.cjs`,
    output: `${parts}agent.blob`,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
  };
  writeFileSync(`${parts}sea.json`, JSON.stringify(config));
  execFileSync(process.execPath, ['--experimental-sea-config', `${parts}sea.json`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  copyFileSync(process.execPath, target);
  chmodSync(target, 0o755);
  strip();
  await inject(target, 'NODE_SEA_BLOB', readFileSync(config.output), { sentinelFuse });
  writeFileSync(`${target}.licenses.txt`, `${licensesOf(metafile)}\n${nodeLicense()}`);
  const mib = (statSync(target).size / 1024 / 1024).toFixed(1);
  process.stdout.write(`${target}: ${mib} MiB, Node ${process.version}\n`);
}

/** Node's own, which names what is inside of Node; where its text lies depends on who packed it. */
function nodeLicense(): string {
  const prefix = dirname(dirname(process.execPath));
  const places = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE'];
  const path = places.map((place) => join(prefix, place)).find(existsSync);
  if (path === undefined) throw new Error(`no licence of Node in ${prefix}: ${places.join(', ')}`);
  return `Node.js ${process.version}\n${'-'.repeat(72)}\n${readFileSync(path, 'utf8')}`;
}

/** Node's symbols for debuggers are an eighth of it. Kept where there is no `strip`. */
function strip(): void {
  if (process.platform !== 'linux') return;
  try {
    execFileSync('strip', [target], { stdio: 'ignore' });
  } catch {
    process.stderr.write('executable: without "strip" (binutils) it keeps its symbols, some 12 MiB\n');
  }
}

await main();
