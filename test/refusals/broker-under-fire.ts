// A broker in this process, with tokens of every kind to show to it.

import { SignJWT } from 'jose';
import { expect } from 'vitest';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';

const secret = 'a secret of the refusals, long enough for HS256';

/** Hundreds of bad requests from one address would be refused for their number alone. */
export const patient = {
  maxAuthFailures: 100_000,
  maxRequestsPerSecond: 100_000,
  maxConnectionsPerSecond: 100_000,
};

export class BrokerUnderFire {
  readonly #broker: Broker;
  readonly #tokens: ReadonlyMap<string, string>;

  private constructor(broker: Broker, tokens: ReadonlyMap<string, string>) {
    this.#broker = broker;
    this.#tokens = tokens;
  }

  static async start(): Promise<BrokerUnderFire> {
    const dial = await mintToken({ secret, dial: ['edge-*'], subject: 'alice' });
    const tokens = {
      dial,
      agent: await mintToken({ secret, agent: 'edge-1', routes: ['192.0.2.0/24'] }),
      mallory: await mintToken({ secret, dial: ['edge-*'], subject: 'mallory' }),
      aliceAgent: await mintToken({ secret, agent: 'edge-1', subject: 'alice' }),
      aliceNarrow: await mintToken({ secret, dial: ['edge-*'], targets: ['*:22'], subject: 'alice' }),
      aliceElsewhere: await mintToken({ secret, dial: ['other'], subject: 'alice' }),
      agentDial: await mintToken({ secret, dial: ['edge-1'], subject: 'agent:edge-1' }),
      agentElsewhere: await mintToken({ secret, agent: 'edge-2', subject: 'agent:edge-1' }),
      agentNarrow: await mintToken({ secret, agent: 'edge-1', subject: 'agent:edge-1' }),
      stranger: await mintToken({ secret: `${secret} of another`, dial: ['*'] }),
      unsigned: dial.slice(0, -8),
      expired: await new SignJWT({ fairlead: { dial: ['*'] } })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('alice')
        .setExpirationTime(1_700_000_000)
        .sign(new TextEncoder().encode(secret)),
    };
    const broker = await startBroker({ secret, port: 0, ...patient });
    return new BrokerUnderFire(broker, new Map(Object.entries(tokens)));
  }

  get port(): number {
    return this.#broker.address.port;
  }

  get url(): string {
    return this.#broker.url;
  }

  /** Links that are open now. */
  get links(): number {
    return [...this.#broker.relay.switchboard.links()].length;
  }

  /** `{name}` becomes the token of that name. */
  withTokens(text: string): string {
    return text.replace(/\{(\w+)\}/g, (_, name) => this.token(name));
  }

  token(name: string): string {
    const token = this.#tokens.get(name);
    if (token === undefined) throw new Error(`there is no token "${name}"`);
    return token;
  }

  /** No token's signature, and not the secret. */
  showsNoSecret(text: string): void {
    for (const hidden of [secret, ...[...this.#tokens.values()].map((token) => token.slice(-20))])
      expect(text).not.toContain(hidden);
  }

  close(): Promise<void> {
    return this.#broker.close();
  }
}
