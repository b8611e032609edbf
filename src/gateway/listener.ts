// One address that the gateway listens on. Opens it and closes it; what is spoken there is its front's.

import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Connections } from './connections.ts';
import type { Front } from './front.ts';

export type GatewayAddress = { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface Listener {
  /** As it was bound: `HOST:PORT`. */
  readonly address: string;
  readonly front: Front;
  /** Takes no more connections. */
  close(): Promise<void>;
}

/** How long a silent TCP client is left alone before the kernel asks whether it is there, in ms. */
const keepAliveAfterMs = 30_000;
/** Connections over the bound that are told so at once; the kernel closes further ones. */
const mostTurnedAway = 1_000;

/** @throws Node's own error where the address cannot be bound */
export async function openListener(
  address: GatewayAddress,
  front: Front,
  connections: Connections,
): Promise<Listener> {
  const server = createServer(
    {
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveAfterMs,
    },
    (socket: Socket) => connections.admit(socket, front),
  );
  server.maxConnections = connections.max + mostTurnedAway;
  const bound = await listen(server, address);
  return {
    address: bound,
    front,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listen(server: Server, { host, port }: GatewayAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      const bound = server.address();
      if (bound === null || typeof bound === 'string') throw new Error('a TCP listener without an address');
      resolve(isIPv6(bound.address) ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`);
    });
  });
}
