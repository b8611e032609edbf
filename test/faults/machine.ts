// What a machine does: its disk fills up, it runs out of file descriptors, its clock jumps, its names do not resolve.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Fault } from './fault.ts';
import { nameServer } from './name-server.ts';
import { brokerPort, hubAddress, type Site, sleep } from './site.ts';

function health(site: Site, seconds: number): string {
  const url = `http://${hubAddress}:${brokerPort}/healthz`;
  try {
    return site.hub.run('curl', '-si', '--max-time', String(seconds), url);
  } catch {
    return '';
  }
}

/** The broker's log and its audit log are on a disk that is full. */
export const fullDisk: Fault = {
  name: 'the disk of the logs is full',
  async prepare(site) {
    const disk = site.rig.path('disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    site.rig.defer(() => execFileSync('umount', ['-l', disk]));
    return { brokerLog: `${disk}/log`, brokerArgs: ['--audit-log', `${disk}/audit`, '--log-level', 'debug'] };
  },
  async happen(site) {
    const disk = site.rig.path('disk');
    const fill = `${disk}/fill`;
    const sizes = () => ['log', 'audit'].map((name) => statSync(`${disk}/${name}`).size);
    const before = refusedDials(site, sizes);
    if (before.includes(0)) throw new Error(`nothing is written: ${before}`);
    try {
      for (let n = 0; n < 64; n += 1) writeFileSync(fill, Buffer.alloc(4096), { flag: 'a' });
    } catch {
      // As it should be.
    }
    const full = !canWrite(`${disk}/more`);
    let during = refusedDials(site, sizes);
    // The page that a file has begun is its own, full disk or not.
    for (let tries = 0; during.some((more) => more > 0) && tries < 10; tries += 1)
      during = refusedDials(site, sizes);
    await sleep(2000);
    if (site.program('broker').child.exitCode !== null) throw new Error('the broker ended');
    rmSync(fill);
    const after = refusedDials(site, sizes);
    if (!full || during.some((more) => more > 0)) throw new Error(`the disk was not full: ${during}`);
    if (after.includes(0)) throw new Error(`nothing is written once there is room: ${after}`);
    return `log and audit log grew by ${before} bytes before, by ${during} while it was full, by ${after} after`;
  },
};

/** Dials that are refused, each of them to be written down. Answers by how much each file grew. */
function refusedDials(site: Site, sizes: () => number[]): number[] {
  const before = sizes();
  for (let n = 0; n < 6; n += 1) {
    const url = `http://${hubAddress}:${brokerPort}/v1/dial?node=edge-1&session=00000000000000ff`;
    const upgrade = [
      '-H',
      'Connection: Upgrade',
      '-H',
      'Upgrade: websocket',
      '-H',
      'Sec-WebSocket-Version: 13',
    ];
    site.hub.run(
      'curl',
      '-s',
      '--max-time',
      '5',
      ...upgrade,
      '-H',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      url,
    );
  }
  site.hub.run('sleep', '0.5');
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

export const noDescriptors: Fault = {
  name: 'the broker has no file descriptors left',
  async happen(site) {
    const { pid } = site.program('broker').child;
    const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
    let open = 0;
    while (taken.has(open)) open += 1;
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${open}:`]);
    const during = health(site, 2);
    await sleep(1000);
    if (site.program('broker').child.exitCode !== null)
      throw new Error(`the broker ended:\n${site.program('broker').log.slice(-1500)}`);
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:`]);
    if (during.includes('200 OK')) throw new Error('a connection was taken all the same');
    for (let tries = 0; !health(site, 2).includes('200 OK'); tries += 1) {
      if (tries > 10) throw new Error('no connection is taken afterwards');
      await sleep(200);
    }
    return `with a limit of ${open} no connection was taken; with ${limit} again`;
  },
};

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
    const broker = site.program('broker');
    const agent = site.program('agent');
    const from = agent.log.length;
    site.nameServers.splice(0).map((server) => server.child.kill('SIGKILL'));
    await broker.kill('SIGKILL');
    await site.startBroker();
    await sleep(5000);
    const failures = agent.log.slice(from).match(/EAI_AGAIN|ENOTFOUND/g)?.length ?? 0;
    await nameServer(site);
    if (failures === 0) throw new Error(`no name failed: ${agent.log.slice(from)}`);
    return `the agent was told ${failures} times that the name does not resolve`;
  },
};
