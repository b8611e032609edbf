// Many agents with nothing to do: `idle-agents SECRET-FILE BROKER CA-FILE COUNT`, the CA's empty without TLS. Ready once all are registered.

import { readFileSync } from 'node:fs';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken } from '../../src/broker/index.ts';

const [secretFile = '', url = '', caFile = '', count = '0'] = process.argv.slice(2);
const secret = readFileSync(secretFile, 'utf8');
const ca = caFile === '' ? undefined : readFileSync(caFile);
const atOnce = 50;
for (let at = 0; at < Number(count); at += atOnce) {
  const batch = Array.from({ length: Math.min(atOnce, Number(count) - at) }, async (_, i) => {
    const node = `idle-${at + i}`;
    const token = await mintToken({ secret, agent: node });
    return startAgent({ url, ca, node, token, allow: ['127.0.0.1:1'] });
  });
  await Promise.all(batch);
}
// What the broker has to do with them should be done when its memory is looked at.
await new Promise((resolve) => setTimeout(resolve, 1000));
process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [] })}\n`);
