// The Worker with a door for tests: which life an object is in, an end to it, and a directory that was told wrong.

import type { DurableObjectState, Request as WorkersRequest } from '@cloudflare/workers-types';
import { type Environment, edgeSettings } from '../../src/broker/edge/environment.ts';
import { directoryStub, type Report, reportRequest } from '../../src/broker/edge/internal.ts';
import worker, { DirectoryObject, NodeObject as RealNodeObject } from '../../src/broker/edge/worker.ts';

export { DirectoryObject };

export class NodeObject extends RealNodeObject {
  readonly #state: DurableObjectState;
  /** Set in the constructor only. */
  readonly #life = Math.floor(Math.random() * 2 ** 48);

  constructor(state: DurableObjectState, environment: Environment) {
    super(state, environment);
    this.#state = state;
  }

  override async fetch(request: WorkersRequest) {
    const { pathname } = new URL(request.url);
    if (pathname === '/test/abort') this.#state.abort('the test says so');
    if (pathname === '/test/life') return new Response(String(this.#life));
    return super.fetch(request);
  }
}

export default {
  async fetch(request: Request, environment: Environment): Promise<Response> {
    const url = new URL(request.url);
    if (!url.pathname.startsWith('/test/')) return worker.fetch(request, environment);
    if (url.pathname === '/test/report') {
      const report = (await request.json()) as Report;
      const directory = directoryStub(environment, edgeSettings(environment), report.node);
      return (await directory.fetch(...reportRequest(report))) as unknown as Response;
    }
    const { NODES } = environment;
    const stub = NODES.get(NODES.idFromName(url.searchParams.get('node') ?? ''));
    return (await stub.fetch(request.url)) as unknown as Response;
  },
};
