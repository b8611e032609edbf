// What comes and goes, one thing after another at random: processes are replaced, links cut, hung or left in silence.

import { pause } from './exchange.ts';
import type { SoakNetwork } from './network.ts';

type Event = readonly [name: string, happen: (network: SoakNetwork, random: () => number) => Promise<void>];

const events: readonly Event[] = [
  ['brokers killed', ({ broker }, random) => broker.replace('SIGKILL', random() * 2000)],
  ['brokers ended in order', ({ broker }, random) => broker.replace('SIGTERM', random() * 2000)],
  ['agents killed', ({ agent }, random) => agent.replace('SIGKILL', random() * 3000)],
  ['agents ended in order', ({ agent }, random) => agent.replace('SIGTERM', random() * 3000)],
  ['dialers killed', ({ dialer }, random) => dialer.replace('SIGKILL', random() * 3000)],
  ['dialers ended in order', ({ dialer }, random) => dialer.replace('SIGTERM', random() * 3000)],
  [
    'times all links of lasting peers were cut',
    async ({ links }) => {
      links.cut();
    },
  ],
  [
    'times they fell silent',
    async ({ links }) => {
      links.freeze();
    },
  ],
  [
    'processes stopped for 1 to 6 s',
    async ({ lasting }, random) => {
      await lasting[Math.floor(random() * lasting.length)]?.stopFor(1000 + random() * 5000);
    },
  ],
];

/** Until the signal; answers how often each happened. `everyMs` is the mean of what lies between two. */
export async function churn(
  network: SoakNetwork,
  everyMs: number,
  random: () => number,
  until: AbortSignal,
): Promise<Record<string, number>> {
  const counts = Object.fromEntries(events.map(([name]) => [name, 0]));
  for (;;) {
    // Between two of a Poisson process.
    await pause(-Math.log(1 - random()) * everyMs, until);
    const event = events[Math.floor(random() * events.length)];
    if (until.aborted || event === undefined) return counts;
    const [name, happen] = event;
    network.disturb();
    await happen(network, random);
    network.disturb();
    counts[name] = (counts[name] ?? 0) + 1;
  }
}
