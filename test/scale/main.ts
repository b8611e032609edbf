// `npm run simulate:scale`: what so many nodes cost on each engine. Each figure comes from a process of its own, so that none
// inherits another's heap.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commandLine } from '../rig/command-line.ts';
import { tableOf } from './table.ts';

const values = commandLine(
  `npm run simulate:scale -- [options]
  --nodes N,N,…   default 1000,10000,30000,100000
  --parts A,B,…   of memory, return, nats, edge; default all
  --json FILE     write what was measured`,
  {
    nodes: { type: 'string', default: '1000,10000,30000,100000' },
    parts: { type: 'string', default: 'memory,return,nats,edge' },
    json: { type: 'string' },
    /** One part, in this process. */
    part: { type: 'string' },
    /** What the broker takes for one upgrade, for `return`; default: as measured. */
    'upgrade-ms': { type: 'string' },
  },
);

/** Links over real sockets, from which the cost of one is taken. */
const links = 2000;
/** Real agents' objects on the edge's runtime. */
const objects = 100;
const self = fileURLToPath(import.meta.url);
const run = promisify(execFile);

type Figures = Readonly<Record<string, unknown>>;

/** Loaded by name, so that a part's process has only what it measures. */
async function figuresOf(part: string, nodes: number): Promise<Figures> {
  const upgradeMs = Number(values['upgrade-ms'] ?? 1);
  switch (part) {
    case 'sockets':
      return { ...(await (await import('./sockets.ts')).socketCosts(links)) };
    case 'memory':
      return { ...(await (await import('./memory-engine.ts')).ownCosts(nodes)) };
    case 'return':
      return { ...(await (await import('./return.ts')).simulateReturn(nodes, 1000, upgradeMs)) };
    case 'nats':
      return { ...(await (await import('./nats-engine.ts')).natsCosts(nodes)) };
    case 'edge':
      return { ...(await (await import('./edge-engine.ts')).edgeCosts(nodes, objects)) };
    default:
      throw new Error(`no such part: ${part}`);
  }
}

async function inProcess(part: string, nodes: number, upgradeMs?: number): Promise<Figures> {
  const flags = ['--expose-gc', '--max-old-space-size=12000'];
  const more = upgradeMs === undefined ? [] : ['--upgrade-ms', String(upgradeMs)];
  const { stdout } = await run(
    process.execPath,
    [...flags, self, '--part', part, '--nodes', String(nodes), ...more],
    { maxBuffer: 1 << 26 },
  );
  return JSON.parse(stdout) as Figures;
}

if (values.part !== undefined) {
  const figures = await figuresOf(values.part, Number(values.nodes));
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit());
} else {
  const sockets = await inProcess('sockets', 0);
  const upgradeMs = Number(values['upgrade-ms'] ?? sockets.upgradeMs);
  const parts: Record<string, Figures[]> = { sockets: [sockets] };
  for (const part of values.parts.split(',')) {
    parts[part] = [];
    for (const nodes of values.nodes.split(',').map(Number)) {
      const figures = await inProcess(part, nodes, upgradeMs);
      parts[part]?.push(figures);
      process.stderr.write(`${part}, ${nodes} nodes\n`);
    }
  }
  for (const [part, columns] of Object.entries(parts))
    process.stdout.write(`\n${part}\n\n${tableOf(columns)}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(parts, null, 2)}\n`);
}
