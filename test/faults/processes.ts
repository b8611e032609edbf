// Processes that are killed, or stopped for as long as a broken disk or a paused machine stops them.

import { readFileSync } from 'node:fs';
import type { Fault } from './fault.ts';
import { sleep } from './site.ts';

const stoppedMs = 30_000;

export const brokerKilled: Fault = {
  name: 'kill -9 of the broker',
  async happen(site) {
    await site.program('broker').kill('SIGKILL');
    await sleep(500);
    await site.startBroker();
    return `signal ${site.program('broker').child.pid} follows one that was killed`;
  },
};

export const brokerKilledAtRandom: Fault = {
  name: 'kill -9 of the broker, three times at random',
  async happen(site, random) {
    const pids: unknown[] = [];
    for (let n = 0; n < 3; n += 1) {
      await sleep(random() * 2000);
      await site.program('broker').kill('SIGKILL');
      await sleep(random() * 1000);
      await site.startBroker();
      pids.push(site.program('broker').child.pid);
    }
    return `brokers ${pids.join(', ')}`;
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

function stopped(name: 'broker' | 'agent' | 'forward'): Fault {
  return {
    name: `SIGSTOP of the ${name === 'forward' ? 'dialer' : name} for ${stoppedMs / 1000} s`,
    async happen(site) {
      const { child } = site.program(name);
      child.kill('SIGSTOP');
      await sleep(stoppedMs);
      const state = /^State:\s+(.*)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? '';
      child.kill('SIGCONT');
      if (!state.startsWith('T')) throw new Error(`${name} was not stopped: ${state}`);
      return `its state was ${state}`;
    },
  };
}

export const brokerStopped = stopped('broker');
export const agentStopped = stopped('agent');
export const forwardStopped = stopped('forward');
