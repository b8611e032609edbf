// Runs a page's commands as they stand there, one block after the other, in a network of its own with nothing in it but
// what stands behind the page. world.sh is its first process; nothing outlives it.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mintToken } from '../../src/broker/index.ts';
import { Authority } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';
import type { Block, Page } from './page.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
/** For all commands of a page together. */
export const timeLimitMs = 120_000;
const secret = 'a secret of the tests, long enough for HS256';

/** Root of the machine, or of a namespace of users: whoever may not have one either is told by unshare. */
const namespaces = [
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ...['--net', '--mount', '--pid', '--ipc', '--fork', '--kill-child', '--mount-proc'],
];

export interface Outcome {
  /** Whether its last command was done. */
  readonly isDone: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** What came of each block that is run. */
export async function runPage(page: Page): Promise<ReadonlyMap<Block, Outcome>> {
  await using rig = new Rig();
  const blocks = page.blocks.filter(({ treatment }) => treatment.kind === 'run');
  if (blocks.length === 0) return new Map();
  const nodes = await furnish(rig, page);
  for (const [i, { commands, at }] of blocks.entries()) {
    rig.write(`${i}.sh`, `${translated(commands, page)}\n`);
    if (at !== undefined) rig.write(`${i}.at`, at === 'each node' ? nodes.join(' ') : at);
  }
  const numbers = blocks.map(({ section, exits }, i) => `${i}:${section}:${exits}`);
  const program = rig.start('unshare', [
    ...[...namespaces, 'bash', `${project}/test/docs/world.sh`, project, rig.directory],
    ...numbers,
  ]);
  // What never ends is shown for what it is, not as a test without a result.
  const timer = setTimeout(() => void program.kill(), timeLimitMs);
  await program.exited;
  clearTimeout(timer);
  const read = (name: string): string =>
    existsSync(rig.path(name)) ? readFileSync(rig.path(name), 'utf8') : '';
  return new Map(
    blocks.map((block, i) => [
      block,
      {
        isDone: existsSync(rig.path(`${i}.done`)),
        stdout: read(`${i}.out`).replaceAll('\r', ''),
        stderr: existsSync(rig.path(`${i}.err`))
          ? read(`${i}.err`)
          : `not reached:\n${program.log}${read('world.log')}${read('behind.log')}`,
      },
    ]),
  );
}

function translated(commands: string, { here }: Page): string {
  // Of "a && b" the shell would go on where a fails; the next line says otherwise.
  const lines = commands.replace(/ && (?=[^'"|]*$)/gm, '\n');
  return [...here].reduce((text, [word, meaning]) => text.replaceAll(word, meaning), lines);
}

/** Files for the page's parts; answers the nodes that have networks of their own. */
async function furnish(rig: Rig, { behind, files }: Page): Promise<string[]> {
  mkdirSync(rig.path('files'));
  mkdirSync(rig.path('home'));
  rig.write('secret', `${secret}\n`);
  const authority = await Authority.create(rig, 'authority');
  const ca = rig.write('ca.pem', readFileSync(authority.cert, 'utf8'));
  const names = ['broker.example.com', 'edge-1', 'gateway', 'localhost', 'kubernetes.default.svc'];
  const addresses = behind.flatMap((part) => /^address (.*)$/.exec(part)?.[1] ?? []);
  const san = [
    ...names.map((name) => `DNS:${name}`),
    ...['127.0.0.1', ...addresses].map((address) => `IP:${address}`),
  ].join(',');
  await authority.issue('server', { san, subject: '/O=system:nodes/CN=system:node:edge-1' });
  for (const key of ['host_key', 'user_key'])
    await rig.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', rig.path(key)]);
  rig.write('home/id_ed25519', readFileSync(rig.path('user_key'), 'utf8'));
  rig.write('home/known_hosts', `* ${readFileSync(rig.path('host_key.pub'), 'utf8')}`);

  const put = (name: string, content: string): void => {
    writeFileSync(rig.path(`files/${name}`), content, { mode: 0o600 });
  };
  const copy = (from: string, to: string): void => put(to, readFileSync(from, 'utf8'));
  const nodes: string[] = [];
  const started: string[] = [];
  for (const part of behind) {
    const [kind = '', ...words] = part.split(' ');
    if (kind === 'address') continue;
    if (kind === 'node') nodes.push(...words);
    else if (kind === 'file') put(words[0] ?? '', `${words.slice(1).join(' ')}\n`);
    else if (kind === 'authority') for (const name of words) copy(ca, name);
    else if (kind === 'certificate') {
      copy(rig.path('server.pem'), words[0] ?? '');
      copy(rig.path('server.key'), words[1] ?? '');
    } else if (kind === 'tokens') {
      put('secret', `${secret}\n`);
      put('agent.token', await mintToken({ secret, agent: 'edge-1', routes: ['default'] }));
      put('dial.token', await mintToken({ secret, dial: ['*'] }));
    } else started.push(part);
  }
  rig.write('behind.json', JSON.stringify(started));
  for (const [name, content] of files) put(name, `${content}\n`);
  rig.write('nodes', nodes.map((node) => `${node}\n`).join(''));
  rig.write('addresses', addresses.map((address) => `${address}\n`).join(''));
  rig.write('started', '');
  return nodes;
}
