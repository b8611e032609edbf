// `agents SECRET-FILE BROKER FIRST COUNT TARGET-PORT`: so many agents in one process. Ready once all are registered; says how
// often each was up and down on SIGUSR2.

import { readFileSync } from 'node:fs';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken } from '../../src/broker/index.ts';

const [secretFile = '', url = '', first = '0', count = '0', targetPort = '1'] = process.argv.slice(2);
const secret = readFileSync(secretFile, 'utf8');
const atOnce = 50;
const events: Record<string, number> = {};
const note = (fields: object) => {
  const { event = 'other' } = fields as { event?: string };
  events[event] = (events[event] ?? 0) + 1;
};
const log = { debug: note, info: note, warn: note, error: note };
process.on('SIGUSR2', () => process.stderr.write(`${JSON.stringify({ events })}\n`));
for (let at = 0; at < Number(count); at += atOnce) {
  const batch = Array.from({ length: Math.min(atOnce, Number(count) - at) }, async (_, i) => {
    const node = `n-${Number(first) + at + i}`;
    const token = await mintToken({ secret, agent: node });
    return startAgent({ url, node, token, allow: [`127.0.0.1:${targetPort}`], log });
  });
  await Promise.all(batch);
}
process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [] })}\n`);
