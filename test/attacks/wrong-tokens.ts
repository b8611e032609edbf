// Upgrades with a token that is none, as many as go, one connection each.

import { request } from 'node:http';
import type { Attack } from './main.ts';

const atOnce = 20;

export async function wrongTokens({ url, token, localAddress, done }: Attack): Promise<never> {
  const { hostname: host, port } = new URL(url);
  const headers = {
    authorization: `Bearer ${token.slice(0, -8)}AAAAAAAA`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-protocol': 'fairlead.v1',
  };
  const path = '/v1/agent?node=edge-1&instance=mallory';
  const one = () =>
    new Promise<string>((resolve) => {
      request({ host, port, path, headers, localAddress, agent: false }, (response) => {
        response.resume();
        response.on('close', () => resolve(String(response.statusCode)));
      })
        .on('error', () => resolve('reset'))
        .on('upgrade', () => resolve('101'))
        .end();
    });
  const worker = async () => {
    for (;;) {
      const answer = await one();
      done[answer] = (done[answer] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  throw new Error('it never ends');
}
