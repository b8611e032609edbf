// What a machine does: its disk fills up, it runs out of file descriptors, its clock jumps, its names do not resolve.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Namespace } from '../rig/network/namespace.ts';
import type { Fault } from './fault.ts';
import { nameServer } from './name-server.ts';
import {
  brokerPort,
  called,
  forwardPort,
  hubAddress,
  nowherePort,
  type ProgramName,
  type Site,
  sleep,
} from './site.ts';

function health(site: Site, seconds: number): string {
  const url = `http://${hubAddress}:${brokerPort}/healthz`;
  try {
    return site.hub.run('curl', '-si', '--max-time', String(seconds), url);
  } catch {
    return '';
  }
}

const written = ['broker', 'broker-audit', 'agent', 'agent-audit', 'forward'] as const;

/** All logs and audit logs are on a disk that is full. */
export const fullDisk: Fault = {
  name: 'the disk of the logs is full',
  async prepare(site) {
    const logs = site.rig.path('disk');
    mkdirSync(logs);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', logs]);
    site.rig.defer(() => execFileSync('umount', ['-l', logs]));
    return {
      logs,
      brokerArgs: ['--audit-log', `${logs}/broker-audit`, '--log-level', 'debug'],
      agentArgs: ['--audit-log', `${logs}/agent-audit`],
    };
  },
  async happen(site) {
    const disk = site.rig.path('disk');
    const fill = `${disk}/fill`;
    const sizes = () => written.map((name) => statSync(`${disk}/${name}`).size);
    const before = grownByRefusals(site, sizes);
    if (before.includes(0)) throw new Error(`nothing is written: ${before}`);
    try {
      for (let n = 0; n < 64; n += 1) writeFileSync(fill, Buffer.alloc(4096), { flag: 'a' });
    } catch {
      // As it should be.
    }
    const full = !canWrite(`${disk}/more`);
    let during = grownByRefusals(site, sizes);
    // The page that a file has begun is its own, full disk or not.
    for (let tries = 0; during.some((more) => more > 0) && tries < 15; tries += 1)
      during = grownByRefusals(site, sizes);
    await sleep(2000);
    for (const [name, { child }] of site.programs)
      if (child.exitCode !== null) throw new Error(`the ${name} ended`);
    rmSync(fill);
    const after = grownByRefusals(site, sizes);
    if (!full || during.some((more) => more > 0)) throw new Error(`the disk was not full: ${during}`);
    if (after.includes(0)) throw new Error(`nothing is written once there is room: ${after}`);
    return `${written.join(', ')} grew by ${before.join(', ')} bytes before, by ${during.join(', ')} while it was full, by ${after.join(', ')} after`;
  },
};

/** Dials that broker or target refuse, each of them to be written down. Answers by how much each file grew. */
function grownByRefusals(site: Site, sizes: () => number[]): number[] {
  const before = sizes();
  const url = `http://${hubAddress}:${brokerPort}/v1/dial?node=edge-1&session=00000000000000ff`;
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  const headers = [...upgrade, 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='].map((one) => `-H '${one}'`);
  const dials = [`curl ${headers.join(' ')} '${url}'`, `curl http://127.0.0.1:${nowherePort}/`];
  const once = dials.map((dial) => `${dial} -s --max-time 5 || true`).join('; ');
  site.hub.run('sh', '-c', `for n in 1 2 3 4 5 6; do ${once}; done; sleep 0.5`);
  return sizes().map((size, at) => size - (before[at] ?? 0));
}

function canWrite(path: string): boolean {
  try {
    writeFileSync(path, Buffer.alloc(8192));
    return true;
  } catch {
    return false;
  }
}

function noDescriptorsAt(name: ProgramName): Fault {
  const serves = name === 'broker' ? answersHealth : carriesOne;
  return {
    name: `the ${called[name]} has no file descriptors left`,
    async happen(site) {
      const program = site.program(name);
      const { pid } = program.child;
      const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
      let open = 0;
      while (taken.has(open)) open += 1;
      const limit = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];
      execFileSync('prlimit', ['--pid', String(pid), `--nofile=${open}:`]);
      const during = serves(site);
      await sleep(1000);
      if (program.child.exitCode !== null)
        throw new Error(`the ${called[name]} ended:\n${program.log.slice(-1500)}`);
      execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:`]);
      if (during) throw new Error('a connection was made all the same');
      for (let tries = 0; !serves(site); tries += 1) {
        if (tries > 10) throw new Error(`no connection is made afterwards:\n${program.log.slice(-1500)}`);
        await sleep(200);
      }
      return `with a limit of ${open} no connection was made; with ${limit} again`;
    },
  };
}

export const noDescriptors = noDescriptorsAt('broker');
export const noDescriptorsAtAgent = noDescriptorsAt('agent');
export const noDescriptorsAtDialer = noDescriptorsAt('forward');

function answersHealth(site: Site): boolean {
  return health(site, 2).includes('200 OK');
}

/** A new stream, from the dialer to the target and back. */
function carriesOne(site: Site): boolean {
  const program = `printf ex | socat -t 2 -T 5 - TCP:127.0.0.1:${forwardPort} || true`;
  return site.hub.run('sh', '-c', program) === 'x';
}

const fakeTime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

function clockJumps(direction: '+1h' | '-1h'): Fault {
  return {
    name: `the clocks jump by an hour, ${direction}`,
    async prepare(site) {
      if (!existsSync(fakeTime)) throw new Error('libfaketime is not installed');
      const file = site.rig.write('clock', '+0\n');
      const env = {
        LD_PRELOAD: fakeTime,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_NO_CACHE: '1',
        // As on a real machine: an hour more on the wall, not one since the start.
        DONT_FAKE_MONOTONIC: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      };
      return { env };
    },
    async happen(site) {
      const before = dateOf(health(site, 5));
      site.rig.write('clock', `${direction}\n`);
      await sleep(4000);
      const jumpMs = dateOf(health(site, 5)) - before;
      await sleep(2000);
      if (Math.abs(jumpMs) < 3_500_000) throw new Error(`the clock moved by ${jumpMs} ms`);
      return `the broker's clock moved by ${Math.round(jumpMs / 1000)} s`;
    },
  };
}

export const clockForward = clockJumps('+1h');
export const clockBackward = clockJumps('-1h');

function dateOf(response: string): number {
  return Date.parse(/^date: (.*)\r$/im.exec(response)?.[1] ?? '');
}

/** The broker is started anew meanwhile, so that the name is needed. */
export const noNames: Fault = {
  name: 'DNS fails while the broker is started anew',
  async prepare(site) {
    for (const { name } of [site.hub, site.edge]) {
      const directory = `/etc/netns/${name}`;
      mkdirSync(directory, { recursive: true });
      writeFileSync(`${directory}/resolv.conf`, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
      site.defer(() => rmSync(directory, { recursive: true }));
    }
    await nameServer(site);
    return { url: `ws://broker.test:${brokerPort}` };
  },
  async happen(site) {
    const agent = site.program('agent');
    const from = agent.log.length;
    for (const server of site.nameServers.splice(0)) server.child.kill('SIGKILL');
    if (resolves(site.hub) || resolves(site.edge)) throw new Error('names resolve all the same');
    await site.program('broker').kill('SIGKILL');
    await site.startBroker();
    await sleep(5000);
    const failures = agent.log.slice(from).match(/EAI_AGAIN|ENOTFOUND/g)?.length ?? 0;
    await nameServer(site);
    if (failures === 0) throw new Error(`no name failed: ${agent.log.slice(from)}`);
    return `no name resolved at agent or dialer; the agent said so ${failures} times`;
  },
};

function resolves(host: Namespace): boolean {
  return host.run('sh', '-c', 'getent ahosts broker.test || true') !== '';
}
