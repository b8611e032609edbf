// What a network does: it loses and reorders packets, goes dark, gives the node another address, carries less at once.

import type { Fault } from './fault.ts';
import { hubAddress, sleep } from './site.ts';

const calm = { delayMs: 2 };

export const lossAndReordering: Fault = {
  name: '3 % of packets lost, 3 % out of order, 10 ms away',
  async happen({ path }) {
    await path.become({ delayMs: 10, loss: 0.03, reorder: 0.03 });
    await sleep(6000);
    const { lost, reordered } = await path.become(calm);
    if (lost < 10 || reordered < 10) throw new Error(`lost ${lost}, reordered ${reordered}`);
    return `${lost} packets lost, ${reordered} overtaken`;
  },
};

export const blackouts: Fault = {
  name: 'three black-outs of 2 s',
  async happen(site) {
    const { path } = site;
    const agent = site.program('agent');
    const from = agent.log.length;
    for (let n = 0; n < 3; n += 1) {
      if (n > 0) await sleep(1500);
      await path.become({ ...calm, isDark: true });
      await sleep(2000);
      await path.become(calm);
    }
    const { swallowed } = await path.counts();
    if (swallowed === 0) throw new Error('nothing was swallowed');
    const said = agent.log.slice(from);
    if (/"event":"link-down"/.test(said)) throw new Error(`the agent's link was given up: ${said}`);
    return `${swallowed} packets swallowed; no link was given up`;
  },
};

/** No RST, no FIN: only silence tells. */
export const silentDeath: Fault = {
  name: 'the path dies in silence for 25 s',
  async happen(site) {
    const { path } = site;
    const agent = site.program('agent');
    const saidBefore = agent.log.length;
    await path.become({ ...calm, isDark: true });
    const start = performance.now();
    let noticedMs = -1;
    while (performance.now() - start < 25_000) {
      await sleep(100);
      if (noticedMs < 0 && /"event":"link-down"/.test(agent.log.slice(saidBefore)))
        noticedMs = Math.round(performance.now() - start);
    }
    const { swallowed } = await path.become(calm);
    if (noticedMs < 0 || noticedMs > 20_000)
      throw new Error(`noticed after ${noticedMs} ms: ${agent.log.slice(saidBefore)}`);
    return `${swallowed} packets swallowed; the agent noticed after ${(noticedMs / 1000).toFixed(1)} s`;
  },
};

export const roaming: Fault = {
  name: 'the node gets another address',
  spoilsSite: true,
  async happen({ hub, edge }) {
    const peers = () => hub.run('ss', '-Htn', 'state', 'established', `( src ${hubAddress} )`);
    edge.run('ip', 'address', 'delete', '10.78.0.2/24', 'dev', 'path');
    edge.run('ip', 'address', 'add', '10.78.0.3/24', 'dev', 'path');
    for (let tries = 0; !peers().includes('10.78.0.3'); tries += 1) {
      if (tries > 250) throw new Error(`it did not come back:\n${peers()}`);
      await sleep(100);
    }
    return 'its link comes from 10.78.0.3';
  },
};

export const smallerPackets: Fault = {
  name: 'the MTU drops from 1500 to 576',
  spoilsSite: true,
  async happen({ hub, edge }) {
    for (const host of [hub, edge]) host.run('ip', 'link', 'set', 'path', 'mtu', '576');
    // Counts what is as large as it may now be, and what is larger.
    hub.run('iptables', '-A', 'INPUT', '-i', 'path', '-m', 'length', '--length', '500:576');
    hub.run('iptables', '-A', 'INPUT', '-i', 'path', '-m', 'length', '--length', '577:65535');
    await sleep(5000);
    const [small, large] = hub
      .run('iptables', '-nvxL', 'INPUT')
      .split('\n')
      .slice(2)
      .map((line) => Number(line.trim().split(/\s+/)[0]));
    if (!small || small < 10 || large === undefined || large > small / 10)
      throw new Error(`${small} small packets, ${large} large`);
    return `${small} packets of 500 to 576 bytes, ${large} larger`;
  },
};
