// `in-flight PORT`: asks the agent that tells its figures at PORT twice a second how much it has in flight, until SIGTERM; the most
// of it, in bytes, on stdout.

import { setTimeout as sleep } from 'node:timers/promises';
import { figuresOf } from '../../test/rig/prometheus.ts';

/** An agent's first answer takes it some time, which the beginning of a transfer must not feel, in ms. */
const patienceMs = 1500;

const [port = ''] = process.argv.slice(2);
let most = 0;
process.on('SIGTERM', () => process.stdout.write(String(most), () => process.exit(0)));
await sleep(patienceMs);
for (;;) {
  const bytes = (await figuresOf(Number(port))).get('fairlead_in_flight_bytes');
  if (bytes === undefined) throw new Error('the agent does not tell what it has in flight');
  most = Math.max(most, bytes);
  await sleep(500);
}
