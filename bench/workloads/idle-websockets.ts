// `idle-websockets PORT COUNT`: so many WebSockets that say nothing.

import { once } from 'node:events';
import WebSocket from 'ws';

const [port, count = 0] = process.argv.slice(2).map(Number);
const atOnce = 50;
for (let at = 0; at < count; at += atOnce) {
  const batch = Array.from({ length: Math.min(atOnce, count - at) }, () =>
    once(new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false }), 'open'),
  );
  await Promise.all(batch);
}
await new Promise((resolve) => setTimeout(resolve, 2000));
process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [] })}\n`);
