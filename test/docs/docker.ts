// `docker compose up` where there is no engine: the services of a compose file as processes, with the command lines,
// secrets and names that it gives them. Called by docker.sh, with the file.

import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly depends_on?: readonly string[];
}

interface Composition {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
}

const [, , file = ''] = process.argv;
const { services, secrets = {} } = parse(readFileSync(file, 'utf8')) as Composition;

/** What an image's entry point is on this machine. */
const entryPoints: Readonly<Record<string, readonly string[]>> = {
  'fairlead:0.1.0': ['/mnt/fairlead/bin/fairlead'],
  // A redis-server stands behind the page.
  'redis:7': ['true'],
};

mkdirSync('/run/secrets', { recursive: true });
for (const [name, { file: from }] of Object.entries(secrets))
  copyFileSync(join(dirname(file), from), join('/run/secrets', name));
appendFileSync('/etc/hosts', `127.0.0.1 ${Object.keys(services).join(' ')}\n`);

const started = new Set<string>();
function start(name: string): void {
  const service = services[name];
  const [program = '', ...words] = entryPoints[service?.image ?? ''] ?? [];
  if (service === undefined || program === '') throw new Error(`service ${name}: no such image here`);
  if (started.has(name)) return;
  started.add(name);
  for (const other of service.depends_on ?? []) start(other);
  execFileSync(program, [...words, ...(service.command ?? [])], { stdio: ['ignore', 'inherit', 'inherit'] });
}
for (const name of Object.keys(services)) start(name);
