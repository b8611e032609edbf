// What the broker takes from pages in browsers: dial links and questions of sites that it was told of, with a token that
// the page shows itself, and nothing else.

import { once } from 'node:events';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { edgeSettings } from '../../src/broker/edge/environment.ts';
import { type Broker, mintToken } from '../../src/broker/index.ts';
import { secret, start } from './started-broker.ts';

const dashboard = 'https://dashboard.example.com';
const dialPath = '/v1/dial?node=edge-1&session=00000000000000ff';
const shown = (token: string) =>
  `base64url.bearer.authorization.fairlead.${Buffer.from(token).toString('base64url')}`;
const dialToken = () => mintToken({ secret, dial: ['edge-*'] });

/** `101` and the subprotocol that was chosen, or the status and the body of the refusal. */
async function open(
  broker: Broker,
  path: string,
  protocols: readonly string[],
  headers: Record<string, string> = { origin: dashboard },
): Promise<{ status: number; said: string }> {
  const webSocket = new WebSocket(`${broker.url}${path}`, [...protocols], { headers });
  webSocket.on('error', () => {});
  return await new Promise((resolve) => {
    webSocket.once('open', () => {
      resolve({ status: 101, said: webSocket.protocol });
      webSocket.terminate();
    });
    webSocket.once('unexpected-response', async (request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      await once(response, 'end');
      request.destroy();
      resolve({ status: response.statusCode ?? 0, said: Buffer.concat(chunks).toString() });
    });
  });
}

test('a page of an allowed site opens a dial link with a token among its subprotocols, which is not the one chosen', async () => {
  const broker = await start({ allowOrigins: [dashboard] });
  const token = await dialToken();
  expect(await open(broker, dialPath, ['fairlead.v1', shown(token)])).toEqual({
    status: 101,
    said: 'fairlead.v1',
  });
  // And so may a program that sets no headers either.
  expect(await open(broker, dialPath, ['fairlead.v1', shown(token)], {})).toMatchObject({ status: 101 });
});

test('everything else that a page may try is refused, in words, and the token is not repeated', async () => {
  const broker = await start({ allowOrigins: [dashboard] });
  const token = await dialToken();
  const agent = await mintToken({ secret, agent: 'edge-1' });
  const elsewhere = { origin: 'https://elsewhere.example' };
  const good = ['fairlead.v1', shown(token)];
  const cases: [
    what: string,
    got: Promise<{ status: number; said: string }>,
    status: number,
    says: string,
  ][] = [
    ['another site', open(broker, dialPath, good, elsewhere), 403, 'links are not for pages of this site'],
    ['no site', open(broker, dialPath, good, { origin: 'null' }), 403, 'links are not for pages'],
    [
      'its site without TLS',
      open(broker, dialPath, good, { origin: dashboard.replace('s:', ':') }),
      403,
      'pages',
    ],
    [
      'an agent',
      open(broker, '/v1/agent?node=edge-1&instance=a', ['fairlead.v1', shown(agent)]),
      403,
      'browsers',
    ],
    ['no token', open(broker, dialPath, ['fairlead.v1']), 401, 'offers its token as the subprotocol'],
    [
      'a header, which no page can set',
      open(broker, dialPath, ['fairlead.v1'], { origin: dashboard, authorization: `Bearer ${token}` }),
      401,
      'offers its token as the subprotocol',
    ],
    [
      'both',
      open(broker, dialPath, good, { origin: dashboard, authorization: `Bearer ${token}` }),
      400,
      'shows one token',
    ],
    ['two tokens', open(broker, dialPath, [...good, shown('other')]), 400, 'shows one token'],
    ['not base64url', open(broker, dialPath, ['fairlead.v1', `${shown(token)}!`]), 400, 'not base64url'],
    [
      'half a token',
      open(broker, dialPath, ['fairlead.v1', shown(token.slice(0, -9))]),
      401,
      'ERR_UNAUTHORIZED',
    ],
    ['an empty token', open(broker, dialPath, ['fairlead.v1', shown('')]), 401, 'ERR_UNAUTHORIZED'],
    ['no subprotocol', open(broker, dialPath, [shown(token)]), 400, 'fairlead.v1'],
    [
      "another's node",
      open(broker, dialPath.replace('edge-1', 'core-1'), good),
      403,
      'does not grant the node',
    ],
  ];
  for (const [what, got, status, says] of cases) {
    const { status: given, said } = await got;
    expect(given, what).toBe(status);
    expect(said, what).toContain(says);
    expect(said, what).not.toContain(token.split('.')[1]);
  }
  expect(await open(broker, dialPath, good)).toMatchObject({ status: 101 });
});

test('a broker that was told of no site takes no page', async () => {
  const broker = await start();
  const refused = await open(broker, dialPath, ['fairlead.v1', shown(await dialToken())]);
  expect(refused.status).toBe(403);
  expect(refused.said).toContain('links are not for browsers');
});

test('a page of an allowed site may read lists and refusals; what a browser asks beforehand is answered', async () => {
  const broker = await start({ allowOrigins: [dashboard] });
  const ask = (headers: Record<string, string>, method = 'GET') =>
    fetch(`${broker.url.replace('ws', 'http')}/v1/nodes`, { method, headers });
  const before = await ask(
    {
      origin: dashboard,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
    },
    'OPTIONS',
  );
  expect(before.status).toBe(204);
  expect(before.headers.get('access-control-allow-origin')).toBe(dashboard);
  expect(before.headers.get('access-control-allow-headers')).toBe('authorization');
  // No page may use what a browser adds by itself.
  expect(before.headers.get('access-control-allow-credentials')).toBeNull();

  const list = await ask({ origin: dashboard, authorization: `Bearer ${await dialToken()}` });
  expect([list.status, list.headers.get('access-control-allow-origin')]).toEqual([200, dashboard]);
  const refused = await ask({ origin: dashboard });
  expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, dashboard]);
  const stranger = await ask({ origin: 'https://elsewhere.example' });
  expect([stranger.status, stranger.headers.get('access-control-allow-origin')]).toEqual([403, null]);
});

test.each([
  '*',
  'dashboard.example.com',
  'https://dashboard.example.com/',
  'https://a.example/app',
  'null',
  '',
])('%j is no origin, and a broker does not start with it', async (text) => {
  await expect(start({ allowOrigins: [text] })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  if (text === '') return;
  const environment = { AUTH_SECRET: secret, ALLOW_ORIGINS: text } as never;
  expect(() => edgeSettings(environment)).toThrow('ALLOW_ORIGINS');
});

test('at the edge it is a list with commas', () => {
  const environment = { AUTH_SECRET: secret, ALLOW_ORIGINS: `${dashboard}, http://127.0.0.1:3000` } as never;
  expect(edgeSettings(environment).allowOrigins).toEqual([dashboard, 'http://127.0.0.1:3000']);
});
