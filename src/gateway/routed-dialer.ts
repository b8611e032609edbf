// Dials a target by its node, or by who serves its host: one holder after the other where agents have gone, never
// again where a target or a rule has refused.

import type { BrokerClient, StreamSocket } from '../client/index.ts';
import { withinDeadline } from '../link/deadline.ts';
import { type ErrorCode, FairleadError } from '../protocol/errors.ts';
import { HostRoutes } from './host-routes.ts';
import type { GatewayTarget, TargetDialer } from './target-dialer.ts';

/** The agent is gone or going, and has not connected to anything: another one may. */
const isTheAgentsCode: ReadonlySet<ErrorCode> = new Set([
  'ERR_NODE_UNREACHABLE',
  'ERR_DRAINING',
  'ERR_SESSION_LOST',
]);

type Broker = Pick<BrokerClient, 'dial' | 'resolve'>;

export class RoutedDialer implements TargetDialer {
  readonly #broker: Broker;
  readonly #routes: HostRoutes;
  readonly #dialTimeoutMs: number;

  /** `dialTimeoutMs`: longest that one dial takes, all holders and look-ups included. Range 1 to 86,400,000. */
  constructor(broker: Broker, dialTimeoutMs: number) {
    this.#broker = broker;
    this.#dialTimeoutMs = dialTimeoutMs;
    this.#routes = new HostRoutes(async (host, signal) =>
      (await broker.resolve(host, { signal })).map(({ node }) => node),
    );
  }

  async dial(target: GatewayTarget, signal: AbortSignal): Promise<StreamSocket> {
    const deadlineMs = performance.now() + this.#dialTimeoutMs;
    if (target.node !== undefined) return await this.#connect(target.node, target, deadlineMs, signal);
    const host = plainHost(target.host);
    const asked = { ...target, host };
    let last: unknown;
    // Twice: an answer may be as old as the cache lets it be, and agents come and go.
    for (let round = 1; round <= 2; round += 1) {
      const nodes = await this.#holders(host, deadlineMs, signal);
      for (const node of nodes) {
        try {
          return await this.#connect(node, asked, deadlineMs, signal);
        } catch (error) {
          if (!(error instanceof FairleadError && isTheAgentsCode.has(error.code))) throw error;
          this.#routes.drop(host, nodes);
          last = error;
        }
        if (performance.now() >= deadlineMs) throw last;
      }
    }
    throw last;
  }

  async #holders(host: string, deadlineMs: number, signal: AbortSignal): Promise<readonly string[]> {
    // A limit of this dial's own: the look-up may be shared with dials that began later.
    const leftMs = Math.max(1, deadlineMs - performance.now());
    return await withinDeadline(leftMs, signal, async (limit) => {
      try {
        return await this.#routes.holders(host, limit);
      } catch (error) {
        if (!limit.aborted || signal.aborted) throw error;
        throw new FairleadError(
          'ERR_BROKER_UNREACHABLE',
          `the broker did not say in time who serves ${host}`,
          { cause: error },
        );
      }
    });
  }

  async #connect(
    node: string,
    { host, port, id: requestId, traceparent }: GatewayTarget,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<StreamSocket> {
    const timeoutMs = Math.max(1, deadlineMs - performance.now());
    const mark = { requestId, traceparent };
    return await this.#broker.dial({ node, host, port, ...mark, signal, timeoutMs, allowHalfOpen: true });
  }
}

/** One form for the cache: names without regard to case or the dot of the root. The broker has the last word. */
function plainHost(host: string): string {
  return host.toLowerCase().replace(/(?<=[^.])\.$/, '');
}
