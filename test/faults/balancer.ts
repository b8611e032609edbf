// HAProxy between the peers and the broker: with an idle limit that links must not reach, and with a new process that
// drains the old one, as on a reload.

import type { Program } from '../rig/rig.ts';
import type { Fault } from './fault.ts';
import { brokerPort, hubAddress, type Site, sleep } from './site.ts';

const port = 8081;

function configure(site: Site): string {
  return site.rig.write(
    'haproxy.cfg',
    [
      'global',
      '  hard-stop-after 2s',
      `  stats socket ${site.rig.path('haproxy.sock')} level admin expose-fd listeners`,
      'defaults',
      '  mode http',
      '  timeout connect 5s',
      '  timeout client 30s',
      '  timeout server 30s',
      '  timeout tunnel 30s',
      'listen broker',
      `  bind ${hubAddress}:${port}`,
      `  server one ${hubAddress}:${brokerPort}`,
      '',
    ].join('\n'),
  );
}

async function balance(site: Site, ...more: string[]): Promise<Program> {
  const program = site.run(site.hub, 'haproxy', '-db', '-f', site.rig.path('haproxy.cfg'), ...more);
  for (let tries = 0; !site.hub.run('ss', '-Htln').includes(`:${port}`); tries += 1) {
    if (tries > 100) throw new Error(`no balancer: ${program.log}`);
    await sleep(50);
  }
  return program;
}

/** Connections that it has taken so far. */
function taken(site: Site): number {
  const program = `echo "show info" | socat - UNIX-CONNECT:${site.rig.path('haproxy.sock')}`;
  return Number(/^CumConns: (\d+)$/m.exec(site.hub.run('sh', '-c', program))?.[1]);
}

export const idleBalancer: Fault = {
  name: 'a load balancer that ends what is idle for 30 s, and 40 s of rest',
  async prepare(site) {
    configure(site);
    await balance(site);
    return { url: `ws://${hubAddress}:${port}` };
  },
  async happen(site) {
    // The target pours as long as it can be reached: stopped, nothing but keep-alive is on the links.
    site.target.child.kill('SIGSTOP');
    await site.say('rest');
    await sleep(1000);
    const before = taken(site);
    await sleep(40_000);
    const after = taken(site);
    site.target.child.kill('SIGCONT');
    await site.say('work');
    // The question itself is a connection.
    if (after - before > 1) throw new Error(`${after - before - 1} links were made anew`);
    return 'no link was made anew in 40 s without data';
  },
};

export const drainedBalancer: Fault = {
  name: 'a load balancer is reloaded and drains its connections',
  async prepare(site) {
    configure(site);
    site.balancers.push(await balance(site));
    return { url: `ws://${hubAddress}:${port}` };
  },
  async happen(site) {
    const old = site.balancers[0];
    if (old === undefined) throw new Error('there is no balancer');
    site.run(site.hub, 'haproxy', '-db', '-f', site.rig.path('haproxy.cfg'), '-sf', String(old.child.pid));
    const code = await old.exited;
    for (let tries = 0; !(taken(site) >= 2); tries += 1) {
      if (tries > 200) throw new Error('no link came to the next one');
      await sleep(100);
    }
    return `the old one ended with ${code}; the next took ${taken(site)} connections`;
  },
};
