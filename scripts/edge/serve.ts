// Bundles the Worker and runs it on Miniflare, whose runtime is the edge's own. Looks nothing up anywhere.

import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { build } from 'esbuild';
import { Miniflare, NoOpLog } from 'miniflare';
import { unstable_getMiniflareWorkerOptions } from 'wrangler';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const configuration = resolve(root, 'wrangler.toml');

interface Options {
  readonly host: string;
  readonly port: number;
  readonly authSecretFile: string;
  readonly var: Record<string, string>;
  readonly entry: string;
}

export async function main(): Promise<void> {
  const program = new Command('npm run edge --')
    .description('Runs the Worker of wrangler.toml on the edge runtime, on this machine.')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0 picks a free one', parsePort, 8787)
    .requiredOption('--auth-secret-file <file>', 'secret that tokens are signed with, at least 32 bytes')
    .option('--var <name=value>', 'overrides a variable of wrangler.toml; may be repeated', collect, {})
    .option(
      '--entry <file>',
      'another Worker, such as one that tests wrap around this one',
      'src/broker/edge/worker.ts',
    )
    .configureOutput({ writeOut: (text) => process.stderr.write(text) })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  program.parse();
  await serve(program.opts<Options>());
}

async function serve(options: Options): Promise<void> {
  const { workerOptions } = unstable_getMiniflareWorkerOptions(configuration);
  const runtime = new Miniflare({
    ...workerOptions,
    name: 'fairlead',
    modules: [{ type: 'ESModule', path: 'worker.js', contents: await bundle(resolve(root, options.entry)) }],
    bindings: {
      ...workerOptions.bindings,
      ...options.var,
      AUTH_SECRET: readFileSync(options.authSecretFile, 'utf8'),
    },
    host: options.host,
    port: options.port,
    // Otherwise it asks the platform where on Earth this machine is.
    cf: false,
    log: new NoOpLog(),
    handleRuntimeStdio(stdout: Readable, stderr: Readable) {
      stdout.pipe(process.stderr);
      stderr.pipe(process.stderr);
    },
  });
  const { port, hostname } = await runtime.ready;
  const pid = runtimePid();
  const ready = {
    level: 'info',
    time: Date.now(),
    listen: [`${hostname}:${port}`],
    pid,
    msg: 'ready',
  };
  process.stderr.write(`${JSON.stringify(ready)}\n`);
  // However this process ends, the runtime ends with it.
  process.once('exit', () => {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  });
  // Whoever read the log may be gone before the runtime is told to end.
  process.stderr.on('error', () => {});
  const stop = () => void runtime.dispose().finally(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.once('disconnect', stop);
}

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}

/** The process id of `workerd`, which Miniflare does not tell: the child of this process that is called so. */
function runtimePid(): number | undefined {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const [, comm, , parent] =
        /^\d+ \((.*)\) (\S) (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      if (comm === 'workerd' && Number(parent) === process.pid) return Number(name);
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

function collect(text: string, previous: Record<string, string>): Record<string, string> {
  const [name = '', ...value] = text.split('=');
  if (name === '' || value.length === 0) throw new InvalidArgumentError('it looks like NAME=VALUE.');
  return { ...previous, [name]: value.join('=') };
}
