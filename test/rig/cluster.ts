// A cluster of which only what Fairlead touches is there: an API server, its certificates, and tokens for pods.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { jwkSet, makeSigner, type Signer, seconds, sign } from '../unit/identity-keys.ts';
import { ApiServer } from './api-server.ts';
import { Authority } from './certificates.ts';
import type { Rig } from './rig.ts';

const issuer = 'https://kubernetes.default.svc.cluster.local';

export class Cluster {
  /** Signs whatever is served in the cluster. */
  readonly authority: Authority;
  readonly api: ApiServer;
  readonly apiPort: number;
  /** What the broker's own pod shows the API server. */
  readonly brokerToken: string;
  private readonly signer: Signer;

  private constructor(
    authority: Authority,
    api: ApiServer,
    apiPort: number,
    brokerToken: string,
    signer: Signer,
  ) {
    this.authority = authority;
    this.api = api;
    this.apiPort = apiPort;
    this.brokerToken = brokerToken;
    this.signer = signer;
  }

  static async start(rig: Rig): Promise<Cluster> {
    const authority = await Authority.create(rig, 'cluster');
    const signer = await makeSigner('RS256', 'cluster-1');
    const brokerToken = await podToken(signer, 'broker', 'edge-1', 'https://kubernetes.default.svc');
    const api = await ApiServer.create(authority);
    const { cert, key } = await authority.issue('api', { san: 'DNS:kubernetes.default.svc,IP:127.0.0.1' });
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      if (api.answer(request, response)) return;
      const mayRead = request.headers.authorization === `Bearer ${brokerToken}`;
      if (request.url !== '/openid/v1/jwks') response.writeHead(404).end();
      else response.writeHead(mayRead ? 200 : 403).end(jwkSet(signer));
    });
    const upgraded = new Set<Duplex>();
    server.on('upgrade', (request, socket) => {
      upgraded.add(socket);
      void api.upgrade(request, socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    rig.defer(() => {
      for (const socket of upgraded) socket.destroy();
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as { port: number };
    return new Cluster(authority, api, port, brokerToken, signer);
  }

  /** A token of a pod of namespace `fairlead`, as a kubelet mounts it. */
  token(account: string, node: string, audience: string): Promise<string> {
    return podToken(this.signer, account, node, audience);
  }
}

function podToken(signer: Signer, account: string, node: string, audience: string): Promise<string> {
  const claims = {
    iss: issuer,
    aud: [audience],
    sub: `system:serviceaccount:fairlead:${account}`,
    iat: seconds(0),
    nbf: seconds(0),
    exp: seconds(3607),
    jti: `${account}-${node}-${audience}`,
    fairlead: undefined,
    'kubernetes.io': { namespace: 'fairlead', node: { name: node, uid: '7a3d' } },
  };
  return sign(signer, { kid: 'cluster-1', claims });
}
