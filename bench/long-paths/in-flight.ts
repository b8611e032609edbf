// `in-flight PORT`: asks the agent that tells its figures at PORT twice a second how much it has in flight, until SIGTERM; the most
// of it, in bytes, on stdout.

import { setTimeout as sleep } from 'node:timers/promises';

/** An agent's first answer takes it some time, which the beginning of a transfer must not feel, in ms. */
const patienceMs = 1500;

const [port = ''] = process.argv.slice(2);
let most = 0;
process.on('SIGTERM', () => process.stdout.write(String(most), () => process.exit(0)));
await sleep(patienceMs);
for (;;) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  most = Math.max(most, Number(/^fairlead_in_flight_bytes (\d+)$/m.exec(text)?.[1] ?? 0));
  await sleep(500);
}
