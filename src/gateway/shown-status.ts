// What a gateway's status page is told: of the gateway, and what its broker says of itself and its nodes, asked with the
// gateway's own token or with that of whoever looks. However many look, the broker is asked once a second.

import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { BrokerClient } from '../client/index.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { GatewayStatus, ShownStatus } from '../protocol/status.ts';

const freshForMs = 1000;
/** Bad tokens a minute: the broker counts them for the gateway's own address, and would lock it out. */
const badTokensPerMinute = 10;
const one = 'everybody';

export class StatusSource {
  readonly #broker: Pick<BrokerClient, 'status'>;
  readonly #describe: () => GatewayStatus;
  readonly #badTokens = new RateLimiterMemory({ points: badTokensPerMinute, duration: 60 });
  #own: { readonly answer: Promise<ShownStatus>; readonly atMs: number } | undefined;

  constructor(broker: Pick<BrokerClient, 'status'>, describe: () => GatewayStatus) {
    this.#broker = broker;
    this.#describe = describe;
  }

  /** What the gateway's own token shows. A broker that does not answer is part of what is told. */
  async own(): Promise<ShownStatus> {
    const now = performance.now();
    if (this.#own === undefined || now - this.#own.atMs > freshForMs)
      this.#own = { answer: this.#askOwn(), atMs: now };
    return { ...(await this.#own.answer), gateway: this.#describe() };
  }

  /**
   * What `token` shows.
   *
   * @throws FairleadError where the broker does not take it, or cannot be asked
   */
  async of(token: string): Promise<ShownStatus> {
    if (((await this.#badTokens.get(one))?.remainingPoints ?? 1) <= 0)
      throw new FairleadError('ERR_RATE_LIMIT', 'too many bad tokens: come back in a minute');
    try {
      return { ...(await this.#broker.status({ token })), gateway: this.#describe() };
    } catch (error) {
      if (error instanceof FairleadError && error.code === 'ERR_UNAUTHORIZED')
        await this.#badTokens.consume(one).catch(() => {});
      throw error;
    }
  }

  async #askOwn(): Promise<ShownStatus> {
    try {
      return await this.#broker.status();
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      return { nodes: [], unreachable: error.message };
    }
  }
}
