// What `fairlead doctor` looks at in the tests: a broker with an agent, one with TLS, tokens of every age, and whoever
// else may answer at a broker's address.

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import pino from 'pino';
import { mintToken } from '../../src/broker/index.ts';
import { parseTarget } from '../../src/cli/address.ts';
import { diagnose } from '../../src/cli/doctor.ts';
import { Authority } from './certificates.ts';
import { Network, type Rig } from './rig.ts';

export interface Wishes {
  /** Given as undefined: none. Default: that of a dialer. */
  readonly tokenFile?: string | undefined;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly agent?: boolean;
  readonly timeout?: number;
}

/** Of {@link Network}. */
export const secret = 'a secret of the tests, long enough for HS256\n';

export class Practice {
  readonly network: Network;
  /** Has issued what the broker at {@link tlsUrl} shows. */
  readonly authority: Authority;
  readonly tlsUrl: string;
  private readonly rig: Rig;

  private constructor(rig: Rig, network: Network, authority: Authority, tlsUrl: string) {
    this.rig = rig;
    this.network = network;
    this.authority = authority;
    this.tlsUrl = tlsUrl;
  }

  static async open(rig: Rig): Promise<Practice> {
    const network = await Network.start(rig, '127.0.0.1:*', [], ['--audit-log', rig.path('audit')]);
    const authority = await Authority.create(rig, 'authority');
    const { cert, key } = await authority.issue('broker', { san: 'DNS:localhost' });
    const tls = ['--tls-cert', cert, '--tls-key', key];
    const broker = rig.fairlead(
      ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret'), ...tls],
    );
    const [port = 0] = await broker.ports();
    return new Practice(rig, network, authority, `wss://localhost:${port}`);
  }

  /** What the command finds, in this process. */
  async doctor(broker: string, node?: string, target?: string, wishes: Wishes = {}) {
    const { tokenFile = 'tokenFile' in wishes ? undefined : this.rig.path('dial.token'), ...more } = wishes;
    const options = { broker, timeout: 5, ...more, ...(tokenFile === undefined ? {} : { tokenFile }) };
    const there = target === undefined ? undefined : parseTarget(target);
    const results = await diagnose(node, there, options, pino({ level: 'silent' }), () => {});
    return {
      results,
      line: (name: string) => results.find(({ check }) => check === name),
      failed: results.filter(({ outcome }) => outcome === 'fail').map(({ check }) => check),
    };
  }

  /** A web server of any kind; answers its port. */
  async serve(answer: RequestListener): Promise<number> {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.rig.defer(() => server.close().closeAllConnections());
    return (server.address() as AddressInfo).port;
  }

  /** Answers the file's path. */
  async token(name: string, claims: Parameters<typeof mintToken>[0]): Promise<string> {
    return this.rig.write(name, await mintToken(claims));
  }

  /** One that was made so many seconds ago, and ends and begins in so many. */
  async agedToken(name: string, agoSeconds: number, leftSeconds: number, nbf = 0): Promise<string> {
    const nowSeconds = Math.floor(Date.now() / 1000);
    const jwt = new SignJWT({ fairlead: { dial: ['edge-*'] } })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('dial:somebody')
      .setIssuedAt(nowSeconds - agoSeconds)
      .setNotBefore(nowSeconds + nbf)
      .setExpirationTime(nowSeconds + leftSeconds);
    return this.rig.write(name, await jwt.sign(Buffer.from(secret.trim())));
  }
}
