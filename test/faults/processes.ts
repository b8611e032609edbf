// Processes that are killed, or stopped for as long as a broken disk or a paused machine stops them.

import { readFileSync } from 'node:fs';
import type { Fault } from './fault.ts';
import { called, type ProgramName, type Site, sleep } from './site.ts';

const stoppedMs = 30_000;
/** Of five kills, most are to be over so soon after the broker is back. */
const resumedWithinMs = 2000;

export const brokerKilled: Fault = {
  name: 'kill -9 of the broker',
  async happen(site) {
    await site.program('broker').kill('SIGKILL');
    await sleep(500);
    await site.startBroker();
    return `broker ${site.program('broker').child.pid} follows one that was killed`;
  },
};

export const brokerKilledAtRandom: Fault = {
  name: 'kill -9 of the broker, five times at random',
  async happen(site, random) {
    const first: number[] = [];
    const all: number[] = [];
    for (let n = 0; n < 5; n += 1) {
      await sleep(random() * 2000);
      await site.program('broker').kill('SIGKILL');
      await sleep(random() * 3000);
      await site.startBroker();
      await site.say('lifted');
      all.push(await site.untilMoved(60_000));
      first.push((await site.say('report')).firstMovedMs ?? Number.POSITIVE_INFINITY);
    }
    const seconds = (ms: number[]): string =>
      ms
        .sort((a, b) => a - b)
        .map((one) => (one / 1000).toFixed(1))
        .join(', ');
    const took = `after it was back, the first stream moved in ${seconds(first)} s, all did in ${seconds(all)} s`;
    if ((first[2] ?? 0) > resumedWithinMs) throw new Error(took);
    return took;
  },
};

export const agentKilled: Fault = {
  name: 'kill -9 of the agent',
  endsStreams: true,
  async happen(site) {
    await site.program('agent').kill('SIGKILL');
    await site.startAgent();
    return `agent ${site.program('agent').child.pid} follows one that was killed`;
  },
};

export const forwardKilled: Fault = {
  name: 'kill -9 of the dialer',
  endsStreams: true,
  async happen(site) {
    await site.program('forward').kill('SIGKILL');
    await site.startForward();
    return `dialer ${site.program('forward').child.pid} follows one that was killed`;
  },
};

function stopped(name: ProgramName): Fault {
  return {
    name: `SIGSTOP of the ${called[name]} for ${stoppedMs / 1000} s`,
    async happen(site) {
      return `its state was ${await stop(site, name, stoppedMs)}`;
    },
  };
}

/** Answers the state that it was in meanwhile. */
async function stop(site: Site, name: ProgramName, ms: number): Promise<string> {
  const { child } = site.program(name);
  child.kill('SIGSTOP');
  await sleep(ms);
  const state = /^State:\s+(.*)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? '';
  child.kill('SIGCONT');
  if (!state.startsWith('T')) throw new Error(`${name} was not stopped: ${state}`);
  return state;
}

export const brokerStopped = stopped('broker');
export const agentStopped = stopped('agent');
export const forwardStopped = stopped('forward');

export const stoppedAtRandom: Fault = {
  name: 'SIGSTOP of each at random, twice for up to 10 s, at once or not',
  async happen(site, random) {
    const stops = (['broker', 'agent', 'forward'] as const).map(async (name) => {
      const lengths: string[] = [];
      for (let n = 0; n < 2; n += 1) {
        await sleep(random() * 6000);
        const ms = 1000 + random() * 9000;
        await stop(site, name, ms);
        lengths.push((ms / 1000).toFixed(1));
      }
      return `${called[name]} ${lengths.join(' and ')} s`;
    });
    return (await Promise.all(stops)).join(', ');
  },
};
