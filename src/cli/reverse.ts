// The way back of an agent: local listeners, each connection a stream to a target behind another node. Their token
// is one of their own: what lets an agent serve its node never lets it dial.

import type { Logger } from 'pino';
import { connect } from '../client/index.ts';
import type { ForwardSpec } from './address.ts';
import { type BrokerOptions, brokerAccess } from './credentials.ts';
import { type E2eAgentFlags, e2eOfListen } from './e2e-options.ts';
import { UsageError } from './failure.ts';
import { type LocalListener, listenLocally } from './local-listener.ts';

export interface ReverseOptions extends BrokerOptions, E2eAgentFlags {
  readonly listen?: ForwardSpec[];
  readonly listenTokenFile?: string;
}

export interface ReverseListeners {
  /** The bound addresses, in the order of the flags. */
  readonly addresses: readonly string[];
  /** Takes no more connections and lets those that are open finish, for `timeoutMs` at most. */
  drain(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** @throws UsageError where a flag is missing; the system's error where an address cannot be bound */
export async function openReverse(options: ReverseOptions, log: Logger): Promise<ReverseListeners> {
  const { listen: specs = [], listenTokenFile } = options;
  if (specs.length === 0) {
    if (listenTokenFile !== undefined) throw new UsageError('--listen-token-file goes with --listen');
    if (options.listenE2ePeers !== undefined || options.listenE2eCa !== undefined)
      throw new UsageError('--listen-e2e-peers and --listen-e2e-ca go with --listen');
    return { addresses: [], drain: async () => {}, close: async () => {} };
  }
  const tokenFile = listenTokenFile ?? (process.env.FAIRLEAD_LISTEN_TOKEN_FILE || undefined);
  if (tokenFile === undefined)
    throw new UsageError(
      '--listen needs a dial token of its own: add --listen-token-file FILE or set FAIRLEAD_LISTEN_TOKEN_FILE',
    );
  const broker = connect({
    ...(await brokerAccess({ ...options, tokenFile }, log)),
    ...(await e2eOfListen(options, log)),
  });
  const listeners: LocalListener[] = [];
  const close = async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
    await broker.close();
  };
  try {
    for (const spec of specs) listeners.push(await listenLocally(broker, spec, log));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    addresses: listeners.map(({ address }) => address),
    async drain(timeoutMs) {
      await Promise.all(listeners.map((listener) => listener.drain(timeoutMs)));
    },
    close,
  };
}
