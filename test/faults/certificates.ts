// Certificates that expire in mid-run: one that is rotated in time, and one that is not until peers have refused it.

import { copyFileSync, readFileSync } from 'node:fs';
import { Authority } from '../rig/certificates.ts';
import type { Fault } from './fault.ts';
import { brokerPort, hubAddress, type Site, sleep } from './site.ts';

const livesMs = 20_000;

async function prepare(site: Site) {
  const authority = await Authority.create(site.rig, 'ca');
  const san = `IP:${hubAddress}`;
  await authority.issue('next', { san });
  const { cert, key } = await authority.issue('now', { san, notAfter: new Date(Date.now() + livesMs) });
  return {
    url: `wss://${hubAddress}:${brokerPort}`,
    brokerArgs: ['--tls-cert', cert, '--tls-key', key],
    peerArgs: ['--ca', authority.cert],
  };
}

/** As certbot would: the files are replaced, and followed. */
function rotate(site: Site): void {
  copyFileSync(site.rig.path('next.key'), site.rig.path('now.key'));
  copyFileSync(site.rig.path('next.pem'), site.rig.path('now.pem'));
}

function shown(site: Site): string {
  const { hub, rig } = site;
  const script = `openssl s_client -connect ${hubAddress}:${brokerPort} </dev/null 2>/dev/null | openssl x509 -noout -serial -checkend 0 || true`;
  return hub.run('sh', '-c', script, rig.directory).trim().replace(/\n/g, ', ');
}

/** Both ends of every link are told that it is over; the next one needs the certificate. */
async function cutLinks(site: Site): Promise<void> {
  const rule = ['-p', 'tcp', '--dport', String(brokerPort), '-j', 'REJECT', '--reject-with', 'tcp-reset'];
  site.hub.run('iptables', '-I', 'INPUT', ...rule);
  await sleep(1000);
  site.hub.run('iptables', '-D', 'INPUT', ...rule);
}

export const rotatedInTime: Fault = {
  name: 'a certificate expires, rotated in time',
  prepare,
  async happen(site) {
    const before = shown(site);
    rotate(site);
    await sleep(livesMs);
    await cutLinks(site);
    const after = shown(site);
    if (after === before || !after.includes('will not expire')) throw new Error(`${before}; ${after}`);
    return `${before} before, ${after} at the end`;
  },
};

export const rotatedTooLate: Fault = {
  name: 'a certificate expires, rotated only once peers refuse it',
  prepare,
  async happen(site) {
    const agent = site.program('agent');
    await sleep(livesMs);
    const from = agent.log.length;
    await cutLinks(site);
    await sleep(4000);
    const refusals =
      agent.log.slice(from).match(/CERT_HAS_EXPIRED|certificate has expired|expired/g)?.length ?? 0;
    rotate(site);
    if (refusals === 0) throw new Error(`the agent did not mind: ${agent.log.slice(from)}`);
    return `the agent refused it ${refusals} times; then ${readFileSync(site.rig.path('now.pem')).length} bytes of another`;
  },
};
